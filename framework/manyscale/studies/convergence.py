"""How the results of a study settle with its samples, from its dataset alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from manyscale.bridges.gather import statistics
from manyscale.bridges.sampler import distributions
from manyscale.bridges.sampler.distributions import Distribution

if TYPE_CHECKING:
    import xarray as xr

_FIRST = 8  # rows of the smallest part that is looked at
_INNER = 12  # numbers of inner samples that are shown at most


def distributions_of(data: xr.Dataset) -> list[Distribution]:
    """Return the distributions a study was made with."""
    return list(map(distributions.restored, json.loads(data.attrs["distributions"])))


def table_of(data: xr.Dataset) -> statistics.Table:
    """Return the samples of a study."""
    names = ("sample", "outer", "inner", "sample_level", "theta", "y")
    return statistics.Table(*(data[name].values for name in names))


def told(data: xr.Dataset, table: statistics.Table, order: int | None = None) -> dict[str, Any]:
    """Return what some of the samples tell."""
    sizes = json.loads(data.attrs["sizes"])
    return statistics.found(
        data.attrs["method"],
        distributions_of(data),
        table,
        order=order or sizes["order"],
        probabilities=data["probability"].values.tolist(),
    )


def parts(data: xr.Dataset) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (rows, what they tell) of the first rows of a design, doubling up to all of them.

    A row is a sample, the p + 2 of a Saltelli design, or the inner samples of an outer one.
    """
    table = table_of(data)
    rows = int(table.outer.max()) + 1
    width = len(table.member) // rows
    counts = [2**k for k in range(_FIRST.bit_length() - 1, rows.bit_length()) if 2**k < rows]
    for count in [*counts, rows]:
        yield count, told(data, _some(table, slice(0, count * width)))


def inner_parts(data: xr.Dataset) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (inner samples, what they tell) of a nested design with fewer of them."""
    table = table_of(data)
    most = int(table.inner.max()) + 1
    counts = np.unique(np.geomspace(2, most, min(_INNER, most - 1)).astype(int))
    for count in counts.tolist():
        yield count, told(data, _some(table, table.inner < count))


def _some(table: statistics.Table, rows: Any) -> statistics.Table:
    columns: list[Any] = [column[rows] for column in table]
    return statistics.Table(*columns)


def order_of(data: xr.Dataset) -> int:
    """Return the order of a chaos study."""
    return int(json.loads(data.attrs["sizes"])["order"])
