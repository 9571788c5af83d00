"""How the ranks of one component hold a field: on the root, on all, or in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Held:
    """Where a field lives: on rank 0, on every rank, or in blocks along one axis."""

    how: Literal["root", "replicated", "block"]
    axis: str = ""
    halo: int = 0


ROOT = Held("root")
REPLICATED = Held("replicated")


def block(axis: str, halo: int = 0) -> Held:
    """Return a decomposition in contiguous blocks along `axis`, with `halo` ghost layers."""
    return Held("block", axis, halo)
