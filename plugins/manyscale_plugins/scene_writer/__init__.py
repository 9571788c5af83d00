"""Writes temperatures on a map, and what the constraint left, as files that a GIS opens."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Clock, Field

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.scene_writer.kernel import Coded, Meaning, OpenFiles

_LST: dict[str, Any] = {
    "lst": Field("temperature", "K", "row column"),
    "valid": Field("fraction", "1", "row column", "bool"),
    "std": Field("temperature_difference", "K", "row column", optional=True),
    "geotransform": Field("map_coordinate", "1", "gdal=6"),
    "crs": Field("reference_system", dtype="str"),
}
_RESIDUAL: dict[str, Any] = {
    "residual": Field("temperature_difference", "K", "r c"),
    "valid": Field("fraction", "1", "r c", "bool"),
    "geotransform": Field("map_coordinate", "1", "gdal=6"),
    "crs": Field("reference_system", dtype="str"),
}


def _pixels(axes: str) -> Field:
    """Return a field of whole pixels."""
    return Field("count", "1", axes, "int64")


_NAMES = {
    "lst": "land surface temperature",
    "lst_std": "standard deviation of the land surface temperature",
    "residual": "mean of the fine temperatures less the coarse one",
}


class _Written(ms.ScaleModel):
    """How files are written."""

    folder: Annotated[
        str, "1", "where to; empty: the work directory of the run, or of this process"
    ] = ""
    format: Annotated[Literal["geotiff", "none"], "1", "of the files"] = "geotiff"
    dtype: Annotated[
        Literal["float64", "float32"], "1", "of the numbers; float32 rounds to 3e-5 K"
    ] = "float64"
    compress: Annotated[
        Literal["deflate", "zstd", "lzw", "none"], "1", "how blocks are compressed"
    ] = "deflate"
    overwrite: Annotated[bool, "1", "whether files that exist may be replaced"] = False

    @property
    def coded(self) -> "Coded":
        """How numbers are stored."""
        from manyscale_plugins.scene_writer.kernel import Coded

        return Coded(self.dtype, self.compress)

    def path(self, what: str, time: float) -> Path:
        """Return the path of a file that may be written."""
        from manyscale_plugins.scene_writer import kernel

        folder = Path(self.folder).expanduser() if self.folder else Path.cwd()
        return kernel.free(folder / f"{what}_{time:.15g}.tif", self.overwrite)

    def meaning(self, what: str, time: float, about: str) -> "Meaning":
        """Return what a file says of itself."""
        from importlib.metadata import version

        from manyscale_plugins.scene_writer.kernel import Meaning

        tags = {
            "TIFFTAG_SOFTWARE": f"manyscale {version('manyscale')}",
            "TIFFTAG_IMAGEDESCRIPTION": _NAMES[what],
            "TIME_S": f"{time:.15g}",
            "SCENE": about,
            "RUN": _run(),
        }
        return Meaning(_NAMES[what], "K", {key: text for key, text in tags.items() if text})

    def scales(self) -> ms.Scales:
        """Return fine pixels to scenes, as they are usual."""
        return ms.Scales(length=ms.Scale(30.0, 150e3))


def _run() -> str:
    """Return the run directory, empty if this is no work directory of one."""
    folders = Path.cwd().parents
    return folders[2].name if len(folders) > 2 and folders[1].name == "instances" else ""


class SceneWriter(_Written):
    """Writes lst_<t>.tif and residual_<t>.tif for every call, t the time in s.

    GeoTIFF with reference system, grid, unit K, NaN where there is no value, and in its tags the
    files the scene was read from; tiled and compressed. With a standard deviation also
    lst_std_<t>.tif. A file appears under its name when it is complete, and none is overwritten.
    """

    lst_in = ms.F_INIT(**_LST)
    residual_in = ms.F_INIT(optional=True, **_RESIDUAL)
    about_in = ms.F_INIT(optional=True, text=Field("identity", dtype="str"))
    written_out = ms.O_F(files=Field("count", "1", dtype="int64"))

    when: Annotated[
        Literal["always", "observed"], "1", "at every call, or where some residual is valid"
    ] = "always"

    version: ClassVar[str] = "1"
    extra: ClassVar[str] = "rs"
    writes: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"

    class State(ms.State):
        """What was written in this call."""

        time: float  # s
        files: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Write what came."""
        came, left = received.lst_in, received.residual_in
        unseen = left is not None and not left.valid.any()
        wanted: dict[str, ms.Contact | None] = {"lst": came}
        wanted |= {"lst_std": came if "std" in came.fields else None, "residual": left}
        if self.format == "none" or (self.when == "observed" and unseen):
            wanted = {}
        about = "" if received.about_in is None else received.about_in.text
        for what, message in wanted.items():
            if message is not None:
                self._write(what, message, start.time, about)
        files = sum(message is not None for message in wanted.values())
        return self.State(time=start.time, files=files)

    def clock(self, state: State) -> Clock:
        """End at once."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Say how many files were written."""
        return {"written_out": {"files": state.files}}

    def _write(self, what: str, came: ms.Contact, time: float, about: str) -> None:
        from manyscale_plugins.scene_writer import kernel

        values = came.fields["std" if what == "lst_std" else what]
        place = kernel.Place(came.geotransform, values.shape, came.crs)
        path, meaning = self.path(what, time), self.meaning(what, time, about)
        kernel.write(path, values, came.valid, place, meaning, self.coded)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a small scene that is not written."""
        from manyscale import testing

        return testing.Example({"format": "none"}, _example_messages())


class TileWriter(_Written):
    """Writes the same files round by round from the tiles of several workers.

    Of every tile it keeps what the tile owns. Files are called `.part` until the last round, and
    are saved with every checkpoint.
    """

    lst_in = ms.F_INIT(slots=True, **_LST)
    residual_in = ms.F_INIT(slots=True, **_RESIDUAL)
    window_in = ms.F_INIT(
        fine=_pixels("tile side=4"),
        fine_skip=_pixels("tile pair=2"),
        coarse=_pixels("tile side=4"),
        coarse_skip=_pixels("tile pair=2"),
        fine_shape=_pixels("pair=2"),
        coarse_shape=_pixels("pair=2"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        coarse_geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
        last=Field("fraction", "1", dtype="bool"),
        about=Field("identity", dtype="str"),
    )
    written_out = ms.O_F(tiles=Field("count", "1", dtype="int64"))

    version: ClassVar[str] = "1"
    extra: ClassVar[str] = "rs"
    writes: ClassVar[bool] = True
    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(rewind=False, migrate=False)
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"

    class State(ms.State):
        """What was written in this call."""

        time: float  # s
        tiles: int

    class Engine(ms.Engine):
        """The open files."""

        files: "OpenFiles"
        folder: Path

        def open(self, model: "TileWriter") -> None:
            """Begin with none."""
            from manyscale_plugins.scene_writer.kernel import OpenFiles

            self.files = OpenFiles()
            self.folder = Path(model.folder).expanduser() if model.folder else Path.cwd()

        def save(self, path: Path) -> None:
            """Write copies of the files."""
            self.files.save(path)

        def load(self, path: Path) -> None:
            """Go on with copies of them."""
            self.files.load(path, self.folder)

        def close(self) -> None:
            """Close them."""
            self.files.close()

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Write what every tile owns; give the files their names after the last round."""
        from manyscale_plugins.scene_writer import kernel

        where = received.window_in
        if self.format != "none":
            self._write("lst", "fine", received.lst_in, where, start.time)
            if all("std" in tile.fields for tile in received.lst_in):
                self._write("lst_std", "fine", received.lst_in, where, start.time)
            self._write("residual", "coarse", received.residual_in, where, start.time)
            if where.last:
                with kernel.environment():
                    self.engine.files.finish()
        return self.State(time=start.time, tiles=int((where.fine[:, 2:].prod(axis=1) > 0).sum()))

    def clock(self, state: State) -> Clock:
        """End at once."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Say how many tiles were written."""
        return {"written_out": {"tiles": state.tiles}}

    def _write(self, what: str, grid: str, came: list[Any], where: Any, time: float) -> None:
        from manyscale_plugins.scene_writer import kernel

        files, path = self.engine.files, self._path(what, time)
        field = "std" if what == "lst_std" else what
        transform = where.geotransform if grid == "fine" else where.coarse_geotransform
        shape = tuple(map(int, where.fields[f"{grid}_shape"]))
        place = kernel.Place(transform, (shape[0], shape[1]), where.crs)
        sides, skips = where.fields[grid], where.fields[f"{grid}_skip"]
        with kernel.environment():
            if path not in files:
                files.begin(path, place, self.meaning(what, time, where.about), self.coded)
            for tile, side, skip in zip(came, sides.tolist(), skips.tolist(), strict=True):
                part = tuple(slice(s, s + n) for s, n in zip(skip, side[2:], strict=True))
                files[path].put(tile.fields[field][part], tile.valid[part], *side[:2])

    def _path(self, what: str, time: float) -> Path:
        path = self.engine.folder / f"{what}_{time:.15g}.tif"
        return path if path in self.engine.files else self.path(what, time)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a round of one tile that is not written."""
        from manyscale import testing

        place = {"geotransform": np.array([0.0, 30.0, 0.0, 0.0, 0.0, -30.0]), "crs": "EPSG:32633"}
        whole = {"fine": np.array([[0, 0, 4, 4]]), "coarse": np.array([[0, 0, 2, 2]])}
        skips = {f"{name}_skip": np.zeros((1, 2), np.int64) for name in whole}
        window = {
            **whole, **skips, **place, "fine_shape": np.array([4, 4]),
            "coarse_shape": np.array([2, 2]), "coarse_geotransform": place["geotransform"],
            "last": True, "about": "",
        }  # fmt: skip
        messages = {"window_in": window, **_example_messages()}
        messages.pop("about_in")
        return testing.Example({"format": "none"}, messages)


def _example_messages() -> dict[str, dict[str, Any]]:
    fine = np.array([0.0, 30.0, 0.0, 0.0, 0.0, -30.0])
    return {
        "lst_in": {
            "lst": np.full((4, 4), 300.0), "valid": np.ones((4, 4), bool),
            "std": np.ones((4, 4)), "geotransform": fine, "crs": "EPSG:32633",
        },
        "residual_in": {
            "residual": np.zeros((2, 2)), "valid": np.ones((2, 2), bool),
            "geotransform": 2.0 * fine, "crs": "EPSG:32633",
        },
        "about_in": {"text": "made up"},
    }  # fmt: skip


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the models."""
    return [SceneWriter, TileWriter]
