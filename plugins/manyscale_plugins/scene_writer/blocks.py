"""Blocks of a raster that several windows fill: each is written once, when it is complete.

A compressed block that is written again lies in the file twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]
SIZE = 256  # rows and columns of a block


class Piece(NamedTuple):
    """Values (row, column) that fill whole blocks, and where they begin."""

    values: Values
    row: int
    column: int


class Blocks:
    """Takes windows that do not overlap, and gives whole blocks."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.pending: dict[tuple[int, int], Values] = {}
        self.missing: dict[tuple[int, int], int] = {}
        """Pixels that a pending block still lacks."""

    def take(self, values: Values, row: int, column: int) -> Iterator[Piece]:
        """Yield what can be written when a window has come."""
        rows, columns = values.shape
        top, bottom = self._inner(row, row + rows, 0)
        left, right = self._inner(column, column + columns, 1)
        if bottom > top and right > left:
            inner = values[top - row : bottom - row, left - column : right - column]
            yield Piece(inner, top, left)
        for i in range(row // SIZE, -(-(row + rows) // SIZE)):
            for j in range(column // SIZE, -(-(column + columns) // SIZE)):
                if not (top <= i * SIZE < bottom and left <= j * SIZE < right):
                    yield from self._kept((i, j), values, row, column)

    def _inner(self, first: int, last: int, axis: int) -> tuple[int, int]:
        """Return where whole blocks begin and end in a stretch of an axis."""
        end = last if last == self.shape[axis] else last // SIZE * SIZE
        return -(-first // SIZE) * SIZE, end

    def _kept(
        self, block: tuple[int, int], values: Values, row: int, column: int
    ) -> Iterator[Piece]:
        """Keep a block's part of a window; yield the block if nothing is missing."""
        (i, high), (j, wide) = (
            (n * SIZE, min(SIZE, length - n * SIZE))
            for n, length in zip(block, self.shape, strict=True)
        )
        if block not in self.pending:
            self.pending[block] = np.full((high, wide), np.nan, values.dtype)
            self.missing[block] = high * wide
        top, left = max(i, row), max(j, column)
        part = values[top - row : i + high - row, left - column : j + wide - column]
        down, right = top - i, left - j
        self.pending[block][down : down + part.shape[0], right : right + part.shape[1]] = part
        self.missing[block] -= part.size
        if self.missing[block] == 0:
            del self.missing[block]
            yield Piece(self.pending.pop(block), i, j)

    def rest(self) -> Iterator[Piece]:
        """Yield the blocks that were never filled."""
        for (i, j), values in self.pending.items():
            yield Piece(values, i * SIZE, j * SIZE)
        self.pending, self.missing = {}, {}

    def arrays(self) -> dict[str, Any]:
        """Return what is pending as arrays."""
        found = {f"{i}_{j}": values for (i, j), values in self.pending.items()}
        missing = [[i, j, left] for (i, j), left in self.missing.items()]
        return {**found, "shape": np.array(self.shape), "missing": np.array(missing, np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Any) -> Blocks:
        """Return the blocks that `arrays` gave."""
        rows, columns = map(int, arrays["shape"])
        blocks = cls((rows, columns))
        for i, j, left in arrays["missing"].reshape(-1, 3).tolist():
            blocks.pending[i, j] = arrays[f"{i}_{j}"]
            blocks.missing[i, j] = left
        return blocks
