"""GeoTIFF out: tiled, compressed, with grid, unit, nodata and where the numbers come from.

A file gets its name when it is complete; until then it is called `.part`.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from manyscale_plugins.scene_writer.blocks import SIZE, Blocks

Values = NDArray[np.floating[Any]]
_CACHE = 64  # MB of blocks that are being written
_PART = ".part"
LEVELS = {"deflate": {"zlevel": 1}, "zstd": {"zstd_level": 1}, "lzw": {}, "none": {}}
"""Higher levels take several times as long for a few per cent of the size."""


class Place(NamedTuple):
    """Where a raster lies: GDAL's six numbers, shape and reference system."""

    geotransform: NDArray[np.float64]
    shape: tuple[int, int]
    crs: str


@dataclass(frozen=True)
class Coded:
    """How numbers are stored."""

    dtype: str = "float64"
    compress: str = "deflate"


class Meaning(NamedTuple):
    """What a raster holds."""

    name: str
    unit: str
    tags: Mapping[str, str] = {}


def environment() -> Any:
    """Return GDAL's settings for writing: bounded cache, blocks compressed by several threads."""
    threads = os.environ.get("OMP_NUM_THREADS", "ALL_CPUS")
    return rasterio.Env(GDAL_CACHEMAX=_CACHE, GDAL_NUM_THREADS=threads, CPL_LOG="/dev/null")


def created(path: Path, place: Place, meaning: Meaning, coded: Coded) -> Any:
    """Return a new dataset, open for writing. Raises ValueError where none can be written."""
    rows, columns = place.shape
    options: dict[str, Any] = {**LEVELS[coded.compress]}
    if coded.compress != "none":
        options |= {"compress": coded.compress, "predictor": 3}
    try:
        dataset = rasterio.open(
            path, "w", driver="GTiff", height=rows, width=columns, count=1, dtype=coded.dtype,
            crs=CRS.from_user_input(place.crs), nodata=np.nan,
            transform=rasterio.Affine.from_gdal(*place.geotransform), tiled=True,
            blockxsize=SIZE, blockysize=SIZE, bigtiff="if_safer", sparse_ok=True, **options,
        )  # fmt: skip
    except (RasterioError, OSError) as exc:
        raise ValueError(f"{path} cannot be written: {exc}") from None
    dataset.set_band_description(1, meaning.name)
    dataset.set_band_unit(1, meaning.unit)
    dataset.update_tags(AREA_OR_POINT="Area", **meaning.tags)
    return dataset


def put(dataset: Any, values: Values, row: int, column: int) -> None:
    """Write a window that begins at a row and column."""
    window = Window(column, row, values.shape[1], values.shape[0])
    try:
        dataset.write(values, 1, window=window)
    except (RasterioError, OSError) as exc:
        raise ValueError(f"{dataset.name} cannot be written: {exc}") from None


def write(
    path: Path,
    values: Values,
    valid: NDArray[np.bool_],
    place: Place,
    meaning: Meaning,
    coded: Coded,
) -> None:
    """Write a raster whole or not at all, NaN where not valid."""
    with environment():
        dataset = created(partial(path), place, meaning, coded)
        put(dataset, np.where(valid, values, np.nan).astype(coded.dtype, copy=False), 0, 0)
        dataset.close()
    partial(path).replace(path)


def free(path: Path, overwrite: bool) -> Path:
    """Return the path of a file that may be written, its folder made; else ValueError."""
    if path.exists() and not overwrite:
        raise ValueError(
            f"{path} exists and is not overwritten: choose another folder, or set overwrite to true"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ValueError(f"the folder {path.parent} cannot be made: {exc.strerror}") from None
    return path


def partial(path: Path) -> Path:
    """Return what a file is called until it is complete."""
    return path.with_name(f"{path.stem}{_PART}{path.suffix}")


class OpenFile:
    """A file that is filled window by window."""

    def __init__(self, path: Path, dataset: Any, blocks: Blocks) -> None:
        self.path, self.dataset, self.blocks = path, dataset, blocks

    def put(self, values: Values, valid: NDArray[np.bool_], row: int, column: int) -> None:
        """Take a window that begins at a row and column, NaN where not valid."""
        filled = np.where(valid, values, np.nan).astype(self.dataset.dtypes[0], copy=False)
        for piece in self.blocks.take(filled, row, column):
            put(self.dataset, *piece)

    def finish(self) -> None:
        """Give the file its name."""
        for piece in self.blocks.rest():
            put(self.dataset, *piece)
        self.dataset.close()
        partial(self.path).replace(self.path)


class OpenFiles:
    """Files that are filled together, and go on after an interruption."""

    def __init__(self) -> None:
        self._files: dict[Path, OpenFile] = {}

    def __getitem__(self, path: Path) -> OpenFile:
        """Return an open file."""
        return self._files[path]

    def __contains__(self, path: Path) -> bool:
        """Return whether a file is open."""
        return path in self._files

    def begin(self, path: Path, place: Place, meaning: Meaning, coded: Coded) -> None:
        """Create a file."""
        dataset = created(partial(path), place, meaning, coded)
        self._files[path] = OpenFile(path, dataset, Blocks(place.shape))

    def finish(self) -> None:
        """Close all files and give them their names."""
        for file in self._files.values():
            file.finish()
        self._files = {}

    def save(self, to: Path) -> None:
        """Write a copy of all open files and of what is not yet in them."""
        with tarfile.open(to, "w") as archive:
            for file in self._files.values():
                file.dataset.close()  # only then the file is whole
                archive.add(partial(file.path), arcname=f"{file.path.name}/file")
                waiting = io.BytesIO()
                np.savez(waiting, **file.blocks.arrays())
                entry = tarfile.TarInfo(f"{file.path.name}/blocks")
                entry.size = waiting.tell()
                waiting.seek(0)
                archive.addfile(entry, waiting)
                file.dataset = _reopened(file.path)

    def load(self, archive: Path, folder: Path) -> None:
        """Go on with copies of what was saved, in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as files:
            for name in [n.removesuffix("/file") for n in files.getnames() if n.endswith("/file")]:
                path = folder / Path(name).name
                with _member(files, f"{name}/file") as saved, partial(path).open("wb") as copy:
                    shutil.copyfileobj(saved, copy)
                with _member(files, f"{name}/blocks") as saved:
                    waiting = io.BytesIO(saved.read())
                blocks = Blocks.from_arrays(np.load(waiting, allow_pickle=False))
                self._files[path] = OpenFile(path, _reopened(path), blocks)

    def close(self) -> None:
        """Close the files where they are."""
        for file in self._files.values():
            file.dataset.close()
        self._files = {}


def _member(files: tarfile.TarFile, name: str) -> Any:
    found = files.extractfile(name)
    assert found is not None
    return found


def _reopened(path: Path) -> Any:
    return rasterio.open(partial(path), "r+")
