"""What every way of sharpening makes of one scene, to be compared with a truth."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.downscaling_baseline import kernel
from manyscale_plugins.surface_scene import areas
from manyscale_plugins.surface_scene.grids import Grid

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_STRIP = 2**21  # fine pixels that are averaged together


class Given(NamedTuple):
    """What is known of a scene."""

    albedo: NDArray[Any]  # (row, column)
    ndvi: NDArray[Any]
    emissivity: NDArray[Any]
    valid: Flags  # (row, column)
    fine: Grid
    seen: kernel.Coarse


NAMES = ("coarse value", "DisTrad", "TsHARP", "trees")
_METHODS: dict[str, kernel.Method] = {
    "coarse value": "uniform", "DisTrad": "distrad", "TsHARP": "tsharp",
}  # fmt: skip


def one(given: Given, name: str) -> Floats:
    """Return the temperatures (row, column) in K of one of `NAMES`."""
    if name in _METHODS:
        shared = given.ndvi, given.valid, given.fine, given.seen
        return kernel.sharpened(*shared, _METHODS[name], 1.0)
    from manyscale_plugins.tree_sharpener import kernel as trees

    fields = [given.albedo, given.ndvi, given.emissivity]
    return trees.sharpened(fields, given.valid, given.fine, given.seen, 30, 30, 1)


def regressions(given: Given) -> dict[str, Floats]:
    """Return the temperatures (row, column) in K that regressions give, by their names.

    Trees are among them if scikit-learn is installed.
    """
    known = [name for name in NAMES if name in _METHODS or find_spec("sklearn") is not None]
    return {name: one(given, name) for name in known}


def rmse(found: Floats, truth: Floats, where: Flags) -> float:
    """Return the root mean square of a difference, in K."""
    return float(np.sqrt(np.mean((found[where] - truth[where]) ** 2)))


def residual(found: Floats, valid: Flags, fine: Grid, seen: kernel.Coarse) -> Floats:
    """Return means of valid fine pixels less what was seen (r, c) in K, NaN where there are none.

    Worked out with the areas of all pixels, strip by strip.
    """
    means = np.full(seen.lst.shape, np.nan)
    height = max(1, round(_STRIP / max(1, fine.shape[1]) * fine.height / seen.grid.height))
    for rows in areas.strips(seen.grid, height):
        part = seen.grid.part((rows, slice(0, seen.grid.shape[1])))
        window = fine.touched(part.bounds)
        if window is not None:
            known = np.where(valid[window], found[window], np.nan)
            means[rows] = areas.coarse_means(known, fine.part(window), part)
    return np.where(seen.valid, means - seen.lst, np.nan)
