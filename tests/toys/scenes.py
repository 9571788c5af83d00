"""Raster files as users bring them: any projection, orientation, coding and format."""

import numpy as np
import rasterio
import xarray as xr
from rasterio.transform import Affine

NORTH_UP = (600000.0, 5600010.0)
UTM = "EPSG:32633"


def tif(path, bands, size, *, corner=NORTH_UP, crs=UTM, names=(), units=(), scales=(), offsets=(),
        nodata=None, transform=None):  # fmt: skip
    """Write bands (band, row, column) of pixels of this size; row 0 is north unless given."""
    bands = np.asarray(bands)
    bands = bands[None] if bands.ndim == 2 else bands
    count, rows, columns = bands.shape
    placed = transform or Affine(size, 0.0, corner[0], 0.0, -size, corner[1])
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=rows, width=columns, dtype=bands.dtype,
        crs=crs, transform=placed, nodata=nodata, compress="deflate",
    ) as file:  # fmt: skip
        file.write(bands)
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)
        for number, unit in enumerate(units, 1):
            file.set_band_unit(number, unit)
        if scales:
            file.scales, file.offsets = scales, offsets or (0.0,) * count
    return path


def netcdf(path, fields, size, *, corner=NORTH_UP, crs=UTM, dims=("y", "x"), attrs=None,
           encoding=None, times=None):  # fmt: skip
    """Write fields (row, column), row 0 north, with these dimensions; `times` makes them passes."""
    import rioxarray  # noqa: F401

    rows, columns = next(iter(fields.values())).shape[-2:]
    y = corner[1] - size * (np.arange(rows) + 0.5)
    x = corner[0] + size * (np.arange(columns) + 0.5)
    first = () if times is None else ("time",)
    coords = {dims[0]: y, dims[1]: x, **({} if times is None else {"time": times})}
    data = xr.Dataset({n: ((*first, *dims), f) for n, f in fields.items()}, coords=coords)
    if crs:
        data = data.rio.set_spatial_dims(dims[1], dims[0]).rio.write_crs(crs)
    for name, given in (attrs or {}).items():
        data[name].attrs.update(given)
    data.to_netcdf(path, encoding=encoding or {})
    return path


def surface(rows, columns, seed=2):
    """Albedo, vegetation index and emissivity (3, row, column) as float32."""
    rng = np.random.default_rng(seed)
    low, high = np.array([0.1, 0.1, 0.94]), np.array([0.3, 0.9, 0.99])
    noise = rng.random((3, rows, columns))
    return (low[:, None, None] + (high - low)[:, None, None] * noise).astype(np.float32)


NAMES = ("albedo", "ndvi", "emissivity")


def pair(folder, coarse=(4, 5), ratio=10, size=300.0):
    """Write lst.tif and fine.tif, nested; return both paths and what is in them."""
    rng = np.random.default_rng(3)
    lst = 300.0 + 5.0 * rng.random(coarse)
    fine = surface(coarse[0] * ratio, coarse[1] * ratio)
    lst_file = tif(folder / "lst.tif", lst, size, units=("K",), nodata=-9999.0)
    fine_file = tif(folder / "fine.tif", fine, size / ratio, names=NAMES)
    return lst_file, fine_file, lst, fine
