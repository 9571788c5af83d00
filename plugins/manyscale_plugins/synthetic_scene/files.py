"""A scene by recipe as files, as a user's would be: `python -m ...synthetic_scene.files FOLDER`.

Surface data are whole numbers with scale factors, as products are delivered; clouds are nodata.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS

from manyscale_plugins.surface_scene.grids import Grid
from manyscale_plugins.synthetic_scene import kernel

_NODATA = -32768
STEP = {"albedo": 1e-3, "ndvi": 1e-3, "emissivity": 1e-3, "temperature": 0.01}
"""What raw 1 stands for."""
SHIPPED = kernel.Recipe(
    *kernel.grids((250, 250), 30.0, 500.0, (600000.0, 5600010.0), "EPSG:32633"),
    seed=1, cloud_fraction=0.03,
)  # fmt: skip
"""The scene that comes with `surface_scene`."""
NOON = kernel.Weather([800.0], [350.0], [298.15], [1500.0])


def write(folder: Path, recipe: kernel.Recipe = SHIPPED, weather: kernel.Weather = NOON) -> None:
    """Write lst_500m.tif, surface_30m.tif and truth_30m.tif: the first pass of a recipe."""
    made = kernel.made(recipe, weather)
    raster(folder / "surface_30m.tif", made.surface._asdict(), recipe.fine)
    raster(folder / "truth_30m.tif", {"temperature": made.truth[0]}, recipe.fine)
    seen = np.where(made.valid[0], made.lst[0], np.nan)
    raster(folder / "lst_500m.tif", {"temperature": seen}, recipe.coarse, packed=False)


def raster(
    path: Path, bands: dict[str, NDArray[np.floating[Any]]], grid: Grid, packed: bool = True
) -> None:
    """Write bands (row, column) by name as 16-bit whole numbers with a scale factor, or as float64.

    NaN becomes nodata.
    """
    rows, columns = grid.shape
    kind = "int16" if packed else "float64"
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=columns, count=len(bands), dtype=kind,
        crs=CRS.from_user_input(grid.crs), nodata=_NODATA if packed else np.nan,
        transform=rasterio.Affine.from_gdal(*grid.geotransform), tiled=True, blockxsize=128,
        blockysize=128, compress="deflate", predictor=2 if packed else 3, zlevel=9,
    ) as file:  # fmt: skip
        file.scales = [STEP[name] if packed else 1.0 for name in bands]
        file.offsets = [_offset(name) if packed else 0.0 for name in bands]
        for number, (name, values) in enumerate(bands.items(), 1):
            raw = np.round((values - _offset(name)) / STEP[name]) if packed else values
            file.write(np.where(np.isfinite(values), raw, _NODATA if packed else np.nan)
                       .astype(kind), number)  # fmt: skip
            file.set_band_description(number, name)
            file.set_band_unit(number, "K" if name == "temperature" else "1")


def _offset(name: str) -> float:
    return 273.15 if name == "temperature" else 0.0


if __name__ == "__main__":
    write(Path(sys.argv[1]))
