"""The ranks of an MPI communicator, as operators see them.

Arrays travel as raw memory counted in rows: every dtype goes, and 32 bits count 2 G rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from mpi4py import MPI

from manyscale.contract.fields import Array
from manyscale.contract.ranks import Ranks
from manyscale.contract.refusal import Refused

_MOST_AXES = 32


class MpiRanks(Ranks):
    """The ranks of an MPI communicator."""

    def __init__(self, comm: MPI.Comm) -> None:
        self.comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    def sum(self, value: Any) -> Any:
        """Return the sum over all ranks of a number or an array, the same on each."""
        mine = np.asarray(super().sum(value), order="C")
        total = np.empty_like(mine)
        self.comm.Allreduce(mine, total)
        if isinstance(value, np.ndarray):
            return total
        return total[()] if isinstance(value, np.generic) else total.item()

    def gathered(self, block: Array, axis: int = 0) -> Array | None:
        """Return the blocks of all ranks joined along an axis on the root, None elsewhere."""
        lengths = self._alike(block, axis)
        mine = np.ascontiguousarray(np.moveaxis(block, axis, 0))
        whole = np.empty((sum(lengths), *mine.shape[1:]), block.dtype) if self.root else None
        with in_rows(mine) as sent:
            if whole is None:
                self.comm.Gatherv(sent, None)
                return None
            with in_rows(whole) as (memory, _, row):
                self.comm.Gatherv(sent, [memory, (lengths, None), row])
        # as one rank would hold it: the order in memory decides the order of sums
        return np.ascontiguousarray(np.moveaxis(whole, 0, axis))

    def _alike(self, block: Array, axis: int) -> list[int]:
        """Return the length of every rank's block; refuse blocks that do not fit together."""
        mine = np.zeros(_MOST_AXES + 2, np.int64)
        mine[:2] = block.ndim, ord(block.dtype.char)
        mine[2 : 2 + block.ndim] = block.shape
        every = np.empty((self.size, mine.size), np.int64)
        self.comm.Allgather(mine, every)
        rest = np.delete(every, 2 + axis % max(block.ndim, 1), axis=1)
        if not block.ndim or (rest != rest[0]).any():
            raise Refused(f"Blocks of all ranks do not join along axis {axis}: {_shapes(every)}.")
        return [int(length) for length in every[:, 2 + axis % block.ndim]]

    def exchanged(
        self, block: Array, axis: int = 0, halo: int = 1, periodic: bool = False
    ) -> Array:
        """Return a block between `halo` layers of its neighbours'."""
        if self.size == 1 or halo == 0:
            return super().exchanged(block, axis, halo, periodic)
        first, last = self.ends(block, axis, halo)
        before, after = self.rank - 1, self.rank + 1
        if periodic:
            before, after = before % self.size, after % self.size
        front = self._swapped(last, after, before)
        back = self._swapped(first, before, after)
        parts = [part for part in (front, block, back) if part is not None]
        return np.concatenate(parts, axis)

    def _swapped(self, layer: Array, to: int, source: int) -> Array | None:
        """Send a layer one way and return the one that comes from the other side, if any."""
        found = np.empty_like(layer, order="C")
        there, whence = self._neighbour(to), self._neighbour(source)
        with in_rows(np.ascontiguousarray(layer)) as sent, in_rows(found) as received:
            self.comm.Sendrecv(sent, there, recvbuf=received, source=whence)
        return None if whence == MPI.PROC_NULL else found

    def _neighbour(self, rank: int) -> int:
        return rank if 0 <= rank < self.size else MPI.PROC_NULL


@contextlib.contextmanager
def in_rows(array: Array) -> Iterator[list[Any]]:
    """Yield a C-contiguous array as MPI takes it: memory, number of rows, type of a row."""
    rows = len(array) if array.ndim else 1
    row = MPI.BYTE.Create_contiguous(array.nbytes // max(rows, 1)).Commit()
    try:
        yield [array, rows, row]
    finally:
        row.Free()


def _shapes(every: Array) -> str:
    return ", ".join(
        f"{np.dtype(chr(row[1]))} {tuple(row[2 : 2 + row[0]].tolist())}" for row in every
    )
