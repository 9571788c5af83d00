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
from typing import Any, Literal

import msgpack
import numpy as np
from mpi4py import MPI

from manyscale.contract.fields import Array, Field
from manyscale.contract.meshes import Geometry
from manyscale.contract.messages import Contact
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.ranks import Ranks
from manyscale.contract.refusal import Refused
from manyscale.hosting import telemetry
from manyscale.hosting.checkpoint import (
    load,
    pack_progress,
    packed_geometry,
    save,
    unpack_progress,
    unpacked_geometry,
)
from manyscale.hosting.effects import Begin, Loop, Mark
from manyscale.hosting.failure import failure
from manyscale.hosting.loop import drive
from manyscale.hosting.mpi_ranks import MpiRanks, in_rows
from manyscale.hosting.plug import Plug, Spread

Order = Literal["C", "F"]

_WORD, _DATA = 1, 2  # tags
_LONGEST_SLEEP = 1.6e-3  # s; a waiting rank burns about 2 % of a core and wakes within it
_GRACE = 1.0  # s; what one rank refuses the root most often refuses too, and ends in good order


class MpiSpread(Spread):
    """Shares messages among ranks as their fields declare it."""

    def __init__(self, comm: MPI.Comm) -> None:
        self.view = MpiRanks(comm)
        self._comm = comm
        self._geometry: dict[str, Geometry] = {}

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
        status = MPI.Status()
        looks, pause = 50, 2e-5  # some 20 us at first: the next word often follows closely
        while not any(self._comm.Iprobe(0, _WORD, status) for _ in range(looks)):
            time.sleep(pause)
            # the first look only lets MPICH take in what has come, the second one sees it
            looks, pause = 2, min(1.4 * pause, _LONGEST_SLEEP)
        word = bytearray(status.Get_count(MPI.BYTE))
        self._comm.Recv([word, MPI.BYTE], 0, _WORD)
        return bytes(word)

    def spread(self, port: Port, contacts: list[Contact | None]) -> list[Contact | None]:
        """Return this rank's share of what the root received on a port."""
        told = self.tell([self._described(port, contact) for contact in contacts])
        if not self.root:
            contacts = [self._blank(word) for word in told]
        return [
            None if contact is None else self._share(port, contact, word)
            for contact, word in zip(contacts, told, strict=True)
        ]

    def _described(self, port: Port, contact: Contact | None) -> dict[str, Any] | None:
        """Return what the others must know of a message before its arrays come."""
        if contact is None:
            return None
        everywhere = {n for n, field in port.fields.items() if field.held.how != "root"}
        shared = {n: v for n, v in contact.fields.items() if n in everywhere}
        arrays = {n: v for n, v in shared.items() if isinstance(v, np.ndarray)}
        meshes = contact.meshes if shared else {}
        new = {s.hash: s for s in meshes.values() if s.hash not in self._geometry}
        self._geometry |= new
        return {
            "head": [contact.time, contact.next_time, contact.window, contact.iteration],
            "scalars": {n: v for n, v in shared.items() if n not in arrays},
            "arrays": {n: (v.dtype.str, list(v.shape), _order(v)) for n, v in arrays.items()},
            "meshes": {name: shape.hash for name, shape in meshes.items()},
            "geometry": {key: packed_geometry(shape) for key, shape in new.items()},
        }

    def _blank(self, word: Mapping[str, Any] | None) -> Contact | None:
        """Return a message without its arrays, on a rank that only heard of it."""
        if word is None:
            return None
        now, next_time, window, iteration = word["head"]
        self._geometry |= {k: unpacked_geometry(shape) for k, shape in word["geometry"].items()}
        meshes = {name: self._geometry[key] for name, key in word["meshes"].items()}
        return Contact(now, next_time, dict(word["scalars"]), window, iteration, meshes)

    def _share(self, port: Port, contact: Contact, word: Mapping[str, Any]) -> Contact:
        fields = dict(contact.fields)
        for name, described in word["arrays"].items():
            field = port.fields[name]
            share = self._replicated if field.held.how == "replicated" else self._scattered
            fields[name] = share(field, fields.get(name), *described)
        contact.fields = fields
        return contact

    def _replicated(
        self, field: Field, whole: Array | None, dtype: str, shape: list[int], order: Order
    ) -> Array:
        array = np.empty(shape, dtype, order) if whole is None else np.asarray(whole, order=order)
        with in_rows(array.T if order == "F" else array) as memory:
            self._comm.Bcast(memory, 0)
        return array

    def _scattered(
        self, field: Field, whole: Array | None, dtype: str, shape: list[int], order: Order
    ) -> Array:
        axis, halo = _axis(field), field.held.halo
        mine = self.view.block(shape[axis], halo)
        if whole is None:
            block = np.empty([*shape[:axis], mine.stop - mine.start, *shape[axis + 1 :]], dtype)
            with in_rows(block) as memory:
                self._comm.Recv(memory, 0, _DATA)
            return block
        for rank in range(1, self.view.size):
            part = _part(whole, axis, _of(rank, self.view.size).block(shape[axis], halo))
            with in_rows(np.ascontiguousarray(part)) as memory:
                self._comm.Send(memory, rank, _DATA)
        return np.ascontiguousarray(_part(whole, axis, mine))

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

    def _joined(self, port: Port, part: Any) -> Any:
        if not isinstance(part, Mapping):
            return part  # the root's door refuses it
        found = dict(part)
        for name, field in port.fields.items():
            if field.held.how == "block" and self._everywhere(port, name, name in part):
                found[name] = self.view.gathered(np.asarray(part[name]), _axis(field))
        return found

    def _everywhere(self, port: Port, name: str, here: bool) -> bool:
        """Return whether all ranks send a field; refuse one that only some of them send."""
        count = self.view.sum(int(here))
        if count not in (0, self.view.size):
            raise Refused(
                f"{port.name}.{name} lies in blocks and only {count} of {self.view.size} ranks"
                " send theirs; send it on all of them, an empty block where there is nothing."
            )
        return bool(count)


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
        plug.seed_name = told["seed_name"]
        plug.recorded = frozenset(told["recorded"])
        clock = telemetry.Telemetry(Path.cwd(), spread.view.rank)
        plug.heard = clock.does
        _follow(model, plug, spread)
        clock.tell(telemetry.DONE)
    except BaseException as exc:
        told = failure(plug, exc)
        if isinstance(exc, (Refused, ValueError)):
            time.sleep(_GRACE)
        with contextlib.suppress(OSError):  # a full disk must not keep the others waiting
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
            plug.does("waiting for rank 0", effect.now)
            path = spread.tell(None)
            if path:
                plug.does("saving", effect.now)
                data = pack_progress(model, effect.progress, plug)
                spread.sealed(save(Path(path), spread.view.rank, data, plug))


def _begun(model: type[ScaleModel], plug: Plug, spread: MpiSpread) -> ScaleModel | None:
    plug.does("waiting to begin", None)
    told = spread.tell(None)
    if told is None:
        return None
    if told["resumed"]:
        path, checksums = told["resumed"]
        data = load(Path(path), spread.view.rank, checksums)
        plug.resumed = unpack_progress(model, data, plug)
    return model.with_settings(told["settings"])


def _order(array: Array) -> Order:
    """Return the order in memory, which all ranks keep: it decides the order of sums."""
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def _axis(field: Field) -> int:
    names = [axis.name for axis in field.shape or ()]
    return names.index(field.held.axis)


def _of(rank: int, size: int) -> Ranks:
    ranks = Ranks()
    ranks.rank, ranks.size = rank, size
    return ranks


def _part(whole: Array, axis: int, block: slice) -> Array:
    return whole[(slice(None),) * axis + (block,)]
