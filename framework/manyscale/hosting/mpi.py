"""One instance on several MPI ranks: the root talks to MUSCLE3, the others follow.

Arrays travel as buffers, the little that describes them as MessagePack; nothing is pickled.
A rank that waits for the root looks for its word now and then and sleeps between.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from mpi4py import MPI

from manyscale.contract.fields import Array, Field
from manyscale.contract.messages import Contact
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.ranks import Ranks
from manyscale.contract.refusal import Refused
from manyscale.hosting import telemetry
from manyscale.hosting.checkpoint import load, pack_progress, save, unpack_progress
from manyscale.hosting.failure import failure
from manyscale.hosting.loop import Begin, Loop, Mark, Plug, Spread, drive

_WORD, _DATA = 1, 2  # tags
_LONGEST_SLEEP = 1e-3  # s; a waiting rank burns about 1 % of a core and wakes within it


class MpiRanks(Ranks):
    """The ranks of an MPI communicator."""

    def __init__(self, comm: MPI.Comm) -> None:
        self.comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    def sum(self, value: Any) -> Any:
        """Return the sum over all ranks of a number or an array, the same on each."""
        if isinstance(value, np.ndarray):
            total = np.empty_like(value)
            self.comm.Allreduce(np.ascontiguousarray(value), total)
            return total
        return self.sum(np.asarray(value))[()]

    def gathered(self, block: Array, axis: int = 0) -> Array | None:
        """Return the blocks of all ranks joined along an axis on the root, None elsewhere."""
        shapes = np.empty((self.size, block.ndim), np.int64)
        self.comm.Allgather(np.array(block.shape, np.int64), shapes)
        sizes = shapes.prod(axis=1)
        mine = np.ascontiguousarray(np.moveaxis(block, axis, 0))
        if not self.root:
            self.comm.Gatherv(mine, None)
            return None
        # MPI counts in 32 bits: in units of one row of the axis, blocks of 2 G elements still fit
        flat = np.empty(int(sizes.sum()), block.dtype)
        self.comm.Gatherv(mine, [flat, sizes.tolist()])
        rows = int(shapes[:, axis].sum())
        rest = [n for i, n in enumerate(block.shape) if i != axis]
        return np.moveaxis(flat.reshape(rows, *rest), 0, axis)

    def exchanged(
        self, block: Array, axis: int = 0, halo: int = 1, periodic: bool = False
    ) -> Array:
        """Return a block between `halo` layers of its neighbours'."""
        if self.size == 1:
            return super().exchanged(block, axis, halo, periodic)
        length = block.shape[axis]
        before, after = self.rank - 1, self.rank + 1
        if periodic:
            before, after = before % self.size, after % self.size
        first = np.ascontiguousarray(np.take(block, range(halo), axis))
        last = np.ascontiguousarray(np.take(block, range(length - halo, length), axis))
        parts = [block]
        for mine, to, source, front in ((last, after, before, True), (first, before, after, False)):
            there, whence = self._neighbour(to), self._neighbour(source)
            layer = np.empty_like(mine)
            self.comm.Sendrecv(mine, there, recvbuf=layer, source=whence)
            if whence != MPI.PROC_NULL:
                parts = [layer, *parts] if front else [*parts, layer]
        return np.concatenate(parts, axis)

    def _neighbour(self, rank: int) -> int:
        return rank if 0 <= rank < self.size else MPI.PROC_NULL


class MpiSpread(Spread):
    """Shares messages among ranks as their fields declare it."""

    def __init__(self, comm: MPI.Comm) -> None:
        self.view = MpiRanks(comm)
        self._comm = comm

    def tell(self, word: Any) -> Any:
        """Return what the root tells all ranks: plain data, as MessagePack."""
        if not self.root:
            return msgpack.unpackb(self._hear(), strict_map_key=False)
        packed = msgpack.packb(word)
        for rank in range(1, self.view.size):
            self._comm.Send([packed, MPI.BYTE], rank, _WORD)
        return word

    def _hear(self) -> bytes:
        """Wait for the root without spinning, and return its word."""
        status, pause = MPI.Status(), 2e-6
        while not self._comm.Iprobe(0, _WORD, status):
            time.sleep(pause)
            pause = min(1.3 * pause, _LONGEST_SLEEP)
        word = bytearray(status.Get_count(MPI.BYTE))
        self._comm.Recv([word, MPI.BYTE], 0, _WORD)
        return bytes(word)

    def spread(self, port: Port, contacts: list[Contact | None]) -> list[Contact | None]:
        """Return this rank's share of what the root received on a port."""
        told = self.tell([_described(port, contact) for contact in contacts])
        if not self.root:
            contacts = [_blank(word) for word in told]
        return [
            None if contact is None else self._share(port, contact, word)
            for contact, word in zip(contacts, told, strict=True)
        ]

    def _share(self, port: Port, contact: Contact, word: Mapping[str, Any]) -> Contact:
        fields = dict(contact.fields)
        for name, (dtype, shape) in word["arrays"].items():
            field = port.fields[name]
            if field.held.how == "replicated":
                array = np.ascontiguousarray(fields[name]) if self.root else np.empty(shape, dtype)
                self._comm.Bcast(array, 0)
                fields[name] = array
            elif field.held.how == "block":
                fields[name] = self._scattered(field, fields.get(name), dtype, shape)
        contact.fields = fields
        return contact

    def _scattered(self, field: Field, whole: Array | None, dtype: str, shape: list[int]) -> Array:
        axis, halo = _axis(field), field.held.halo
        if self.root:
            assert whole is not None
            for rank in range(1, self.view.size):
                part = _part(whole, axis, _of(rank, self.view.size).block(shape[axis], halo))
                self._comm.Send(np.ascontiguousarray(part), rank, _DATA)
            return np.ascontiguousarray(_part(whole, axis, self.view.block(shape[axis], halo)))
        mine = self.view.block(shape[axis], halo)
        shape = [*shape[:axis], mine.stop - mine.start, *shape[axis + 1 :]]
        block = np.empty(shape, dtype)
        self._comm.Recv(block, 0, _DATA)
        return block

    def sealed(self, checksum: str) -> list[str]:
        """Return the checksums of all ranks on the root, an empty list elsewhere."""
        mine = np.frombuffer(checksum.encode(), np.uint8)
        every = np.empty((self.view.size, mine.size), np.uint8) if self.root else None
        self._comm.Gather(mine, every, 0)
        return [] if every is None else [row.tobytes().decode() for row in every]

    def abort(self) -> None:
        """End all ranks of the instance."""
        if self.view.size > 1:
            self._comm.Abort(1)

    def collect(self, port: Port, parts: list[Any]) -> list[Any] | None:
        """Return the messages of all ranks joined, on the root; None elsewhere."""
        joined = [self._joined(port, part) for part in parts]
        return joined if self.root else None

    def _joined(self, port: Port, part: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(part)
        for name, field in port.fields.items():
            if field.held.how == "block" and name in part:
                found[name] = self.view.gathered(np.asarray(part[name]), _axis(field))
        return found


def world() -> MpiSpread:
    """Return the ranks of this program; refuse a world of another size than was asked for."""
    wanted = int(os.environ.get("MUSCLE_MPI_PROCESSES", "0"))
    comm = MPI.COMM_WORLD
    if wanted and wanted != comm.Get_size():
        raise Refused(
            f"{wanted} MPI processes were asked for and {comm.Get_size()} found one another;"
            f" start with the mpirun that belongs to {MPI.get_vendor()[0]}, or set"
            " `execution_model` to the MPI of this environment."
        )
    return MpiSpread(comm)


def follow(model: type[ScaleModel], spread: MpiSpread) -> int:
    """Run a rank that is not the root until the root ends; return the exit code."""
    plug = Plug("", {}, ranks=spread)
    try:
        told = spread.tell(None)
        plug.instance, plug.lengths, plug.run_seed = told["instance"], told["lengths"], told["seed"]
        plug.recorded = frozenset(told["recorded"])
        plug.heard = telemetry.Telemetry(Path.cwd(), spread.view.rank).does
        _follow(model, plug, spread)
    except BaseException as exc:
        told = failure(plug, exc)
        telemetry.tell_failure(Path.cwd(), told)
        print(f"{told['traceback']}{told['sentence']}", file=sys.stderr)
        spread.abort()
        return 1
    return 0


def _follow(model: type[ScaleModel], plug: Plug, spread: MpiSpread) -> None:
    with contextlib.closing(drive(plug)) as loop:
        _perform(model, plug, spread, loop)


def _perform(model: type[ScaleModel], plug: Plug, spread: MpiSpread, loop: Loop) -> None:
    answer: Any = None
    while True:
        try:
            effect = loop.send(answer)
        except StopIteration:
            return
        answer = None
        if isinstance(effect, Begin):
            answer = _begun(model, plug, spread)
        elif isinstance(effect, Mark):
            path = spread.tell(None)
            if path:
                data = pack_progress(model, effect.progress, plug)
                spread.sealed(save(Path(path), spread.view.rank, data, plug))


def _begun(model: type[ScaleModel], plug: Plug, spread: MpiSpread) -> ScaleModel | None:
    told = spread.tell(None)
    if told is None:
        return None
    if told["resumed"]:
        path, checksums = told["resumed"]
        data = load(Path(path), spread.view.rank, checksums)
        plug.resumed = unpack_progress(model, data, plug)
    return model.with_settings(told["settings"])


def _described(port: Port, contact: Contact | None) -> dict[str, Any] | None:
    """Return what the others must know of a message before its arrays come."""
    if contact is None:
        return None
    shared = {n: v for n, v in contact.fields.items() if port.fields[n].held.how != "root"}
    return {
        "head": [contact.time, contact.next_time, contact.window, contact.iteration],
        "scalars": {n: v for n, v in shared.items() if not isinstance(v, np.ndarray)},
        "arrays": {
            n: (v.dtype.str, list(v.shape)) for n, v in shared.items() if isinstance(v, np.ndarray)
        },
    }


def _blank(word: Mapping[str, Any] | None) -> Contact | None:
    if word is None:
        return None
    now, next_time, window, iteration = word["head"]
    return Contact(now, next_time, dict(word["scalars"]), window, iteration)


def _axis(field: Field) -> int:
    names = [axis.name for axis in field.shape or ()]
    return names.index(field.held.axis)


def _of(rank: int, size: int) -> Ranks:
    ranks = Ranks()
    ranks.rank, ranks.size = rank, size
    return ranks


def _part(whole: Array, axis: int, block: slice) -> Array:
    return whole[(slice(None),) * axis + (block,)]
