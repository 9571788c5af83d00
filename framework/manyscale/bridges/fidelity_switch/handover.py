"""Fields of the cheap model on the cells that both models work on together, integrals kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.fidelity_switch.kernel import Bools, Floats
from manyscale.bridges.regrid import kernel as regrid
from manyscale.bridges.regrid.overlaps import Overlap, edges_of_centres, overlap


class Cells(NamedTuple):
    """The cells of the cheap model, and those that the refined ones are divided into."""

    coarse: Floats  # (n + 1,) edges
    fine: Floats  # (m + 1,) edges
    overlap: Overlap

    def middles(self, x: Floats) -> Floats:
        """Return the middles (m,) of the divided cells; those not divided keep theirs (n,)."""
        whole = np.bincount(self.parents)[self.parents] == 1
        return np.where(whole, x[self.parents], 0.5 * (self.fine[1:] + self.fine[:-1]))

    @property
    def same(self) -> bool:
        """Whether no cell is divided."""
        return len(self.fine) == len(self.coarse)

    @property
    def parents(self) -> NDArray[np.intp]:
        """The cheap model's cell (m,) that every divided one lies in."""
        return self.overlap.columns


def edges_of(x: Floats, edges: Floats | None) -> Floats:
    """Return the edges (n + 1,) as they came, or those of evenly spaced middles (n,)."""
    if edges is not None:
        return edges
    return edges_of_centres(x, "x")


def divided(edges: Floats, refined: Bools, parts: int) -> Cells:
    """Return the cells with every refined one divided into so many equal parts."""
    counts = np.where(refined, parts, 1)
    first = np.repeat(edges[:-1], counts)
    share = (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)) / np.repeat(
        counts, counts
    )
    fine = np.append(first + share * np.repeat(np.diff(edges), counts), edges[-1])
    return Cells(edges, fine, overlap(edges, fine))


def handed_over(values: Floats, cells: Cells, extensive: bool, mask: Bools | None) -> Floats:
    """Return a field (n, ...) of cell means or, extensive, totals on the divided cells (m, ...).

    Second order with limited slopes; every cell keeps its integral.
    """
    if cells.same:
        return values
    rule = regrid.Rule(extensive, order=2, limited=True)
    return regrid.regrid(values, [cells.overlap], rule, mask)[0]


def jump(values: Floats, handed: Floats, cells: Cells, extensive: bool) -> float:
    """Return by how much the integral of a field changed, in parts of that of its size."""
    coarse, fine = cells.overlap.sizes
    if extensive:
        coarse, fine = np.ones(len(coarse)), np.ones(len(fine))
    before, after = coarse @ values, fine @ handed
    scale = np.max(coarse @ np.abs(values), initial=0.0)
    return float(np.max(np.abs(after - before), initial=0.0) / scale) if scale else 0.0
