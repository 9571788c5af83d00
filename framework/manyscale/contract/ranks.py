"""What a model knows of the MPI ranks it runs on: `self.ranks` in every operator.

A model that does not use it runs on one rank. One that does declares
`capabilities = ms.Capabilities(parallel="mpi")` and, field by field, how ranks hold what it
sends and receives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused


class Ranks:
    """The ranks of one instance: this one alone, unless a host says otherwise.

    Attributes
    ----------
    rank, size
        Number of this rank, and of how many.
    comm
        The mpi4py communicator, None on one rank without MPI.
    """

    rank: int = 0
    size: int = 1
    comm: Any = None

    @property
    def root(self) -> bool:
        """Whether this rank talks to the other components."""
        return self.rank == 0

    def block(self, length: int, halo: int = 0) -> slice:
        """Return the part of an axis this rank holds, with `halo` more on both sides.

        Blocks are contiguous, in rank order and equal to within one; halos end at the ends.
        """
        share, rest = divmod(length, self.size)
        start = self.rank * share + min(self.rank, rest)
        stop = start + share + (self.rank < rest)
        return slice(max(0, start - halo), min(length, stop + halo))

    def sum(self, value: Any) -> Any:
        """Return the sum over all ranks of a number or an array, the same on each.

        True counts 1. On several ranks the last digits may differ from those of one.
        """
        return value + 0 if np.asarray(value).dtype == bool else value

    def gathered(self, block: Array, axis: int = 0) -> Array | None:
        """Return the blocks of all ranks joined along an axis on the root, None elsewhere."""
        return block

    def exchanged(
        self, block: Array, axis: int = 0, halo: int = 1, periodic: bool = False
    ) -> Array:
        """Return a block between `halo` layers of its neighbours'.

        At the two ends of an axis that is not periodic there is no neighbour and no layer.
        Raises `Refused` for a block thinner than the halo.
        """
        if not periodic or halo == 0:
            return block
        first, last = self.ends(block, axis, halo)
        return np.concatenate([last, block, first], axis)

    def ends(self, block: Array, axis: int, halo: int) -> tuple[Array, Array]:
        """Return the first and the last `halo` layers of a block, which its neighbours want."""
        length = block.shape[axis]
        if length < halo:
            raise Refused(
                f"Rank {self.rank} of {self.size} holds {length} layers along axis {axis} and its"
                f" neighbours want {halo}; use fewer ranks or a longer axis."
            )
        moved = np.moveaxis(block, axis, 0)
        parts = moved[:halo], moved[length - halo :]
        first, last = (np.moveaxis(part, 0, axis) for part in parts)
        return first, last


ALONE = Ranks()
