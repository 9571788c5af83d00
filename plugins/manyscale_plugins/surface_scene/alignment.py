"""How coarse and fine rasters come onto grids of one reference system, and the report of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from manyscale_plugins.surface_scene.grids import Grid, Window, common, extent
from manyscale_plugins.surface_scene.rasters import (
    How,
    Layer,
    Values,
    called,
    likely_grid,
    same_reference,
)

Warp = Literal["fine", "coarse", "refuse"]
Resample = Literal["auto", "nearest", "bilinear", "cubic", "average"]
_COARSER = 1.5  # of a pixel: from here on several source pixels are averaged


class Aligned(NamedTuple):
    """Layers on two grids of one reference system, cut to what they share."""

    coarse: list[Layer]
    coarse_window: Window
    fine: list[Layer]
    fine_window: Window
    report: list[str]


def aligned(
    coarse: list[Layer], fine: list[Layer], warp: Warp, size: float, resample: Resample
) -> Aligned:
    """Return coarse and fine layers on grids of one reference system.

    The observation stays as it is unless `warp` is coarse. `size` is the wanted fine pixel in the
    unit of the reference system, 0: that of the files, in another reference system the whole part
    of a coarse pixel next to it. Raises ValueError for what does not fit together.
    """
    report: list[str] = []
    base = min(fine, key=lambda layer: layer.grid.width).grid
    if not same_reference(coarse[0].grid.crs, base.crs):
        if warp == "refuse":
            raise ValueError(
                f"{coarse[0].name} is in {called(coarse[0].grid.crs)} and {fine[0].name} in"
                f" {called(base.crs)}: set warp to fine, to coarse, or bring both into one"
            )
        if warp == "coarse":
            coarse = [_on(one, likely_grid(one, base.crs), "nearest", report) for one in coarse]
        else:
            base = likely_grid(min(fine, key=lambda layer: layer.grid.width), coarse[0].grid.crs)
            base = _divided(coarse[0].grid, base, size)
    elif size and abs(size / base.width - 1.0) > 1e-9:
        base = _divided(coarse[0].grid, base, size)
    _refuse_apart(coarse[0], base, fine[0])
    grid = coarse[0].grid
    _refuse_large(base, grid, fine[0].name)
    shared = common(grid, base)
    assert shared is not None
    coarse_window = grid.touched(shared)
    assert coarse_window is not None
    fine_window = base.touched(grid.part(coarse_window).bounds)
    assert fine_window is not None
    target = base.part(fine_window)
    placed = [_placed(layer, target, resample, report) for layer in fine]
    whole = slice(0, target.shape[0]), slice(0, target.shape[1])
    cut = grid.part(coarse_window)
    report.append(f"coarse {cut} in {called(cut.crs)}, {extent(cut)}")
    report.append(f"fine {target}, {extent(target)}")
    return Aligned(coarse, coarse_window, placed, whole, report)


def on_grid(layer: Layer, grid: Grid, how: How) -> Layer:
    """Return a layer on exactly this grid, warped only if its pixels are others."""
    return _placed(layer, grid, how, [])


def _placed(layer: Layer, target: Grid, resample: Resample, report: list[str]) -> Layer:
    own = layer.grid
    if same_reference(own.crs, target.crs) and own.fits(target) and _holds(own, target):
        return Shifted(layer, target)
    coarser = same_reference(own.crs, target.crs) and target.width > _COARSER * own.width
    how: How = resample if resample != "auto" else "average" if coarser else "bilinear"
    return _on(layer, target, how, report)


def _holds(own: Grid, target: Grid) -> bool:
    down, right = (round(k) for k in target.inside(own))
    (rows, columns), (most_rows, most_columns) = target.shape, own.shape
    return 0 <= down <= most_rows - rows and 0 <= right <= most_columns - columns


def _on(layer: Layer, grid: Grid, how: How, report: list[str]) -> Layer:
    file = layer.name.partition(",")[0]
    told = (
        f"{file}: {layer.grid} in {called(layer.grid.crs)} warped ({how}) onto {grid} in"
        f" {called(grid.crs)}"
    )
    if told not in report:  # once for all bands of a file
        report.append(told)
    return layer.warped(grid, how)


def _divided(coarse: Grid, near: Grid, size: float) -> Grid:
    """Return the fine grid that begins with the coarse one: `size`, or whole parts of a pixel."""
    width, height = (
        size or own / max(1, round(own / wanted))
        for own, wanted in ((coarse.width, near.width), (coarse.height, near.height))
    )
    west, south, east, north = common(coarse, near) or near.bounds
    first_column, first_row = (west - coarse.west) // width, (coarse.north - north) // height
    last_column, last_row = -((coarse.west - east) // width), -((south - coarse.north) // height)
    return Grid(
        coarse.west + first_column * width, coarse.north - first_row * height, width, height,
        (int(last_row - first_row), int(last_column - first_column)), coarse.crs,
    )  # fmt: skip


def _refuse_apart(coarse: Layer, fine: Grid, layer: Layer) -> None:
    if common(coarse.grid, fine) is not None:
        return
    turned = any(
        common(a, b) is not None
        for a, b in ((coarse.grid.turned(), fine), (coarse.grid, fine.turned()))
    )
    hint = (
        "they would if x and y of one of them were exchanged: look at its axes"
        if turned
        else "choose files of one place, or look at their reference systems"
    )
    raise ValueError(
        f"{coarse.name} ({extent(coarse.grid)}) and {layer.name} ({extent(fine)}) do not overlap in"
        f" {called(fine.crs)}; {hint}"
    )


def _refuse_large(fine: Grid, coarse: Grid, name: str) -> None:
    if fine.width > coarse.width * (1 + 1e-9) or fine.height > coarse.height * (1 + 1e-9):
        raise ValueError(
            f"the fine pixels of {name} are {fine.width:.6g} x {fine.height:.6g} and the coarse"
            f" ones {coarse.width:.6g} x {coarse.height:.6g}: the fine file must have the smaller"
            " ones; are the two exchanged?"
        )


class Shifted:
    """A layer seen through a window of its own lattice."""

    def __init__(self, layer: Layer, grid: Grid) -> None:
        self.name, self.grid, self.unit = layer.name, grid, layer.unit
        self._layer = layer
        self._down, self._right = (round(k) for k in grid.inside(layer.grid))

    def read(self, window: Window) -> Values:
        """Return the physical values of a window, NaN where there is none."""
        rows, columns = window
        return self._layer.read(
            (
                slice(rows.start + self._down, rows.stop + self._down),
                slice(columns.start + self._right, columns.stop + self._right),
            )
        )

    def warped(self, grid: Grid, how: How) -> Layer:
        """Return the layer on another grid."""
        return self._layer.warped(grid, how)

    def close(self) -> None:
        """Release the file."""
        self._layer.close()
