"""A scene from raster files: coarse temperatures seen by a satellite and fine surface data."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Le

if TYPE_CHECKING:
    from pathlib import Path

    from manyscale_plugins.surface_scene.kernel import CoarseRequest, FineRequest, Scene
    from manyscale_plugins.surface_scene.tiling import Cut, Tile

_COARSE: dict[str, Any] = {
    "observation_time": Field("time", "s", "pass"),
    "lst": Field("temperature", "K", "pass r c"),
    "valid": Field("fraction", "1", "pass r c", "bool"),
    "sigma": Field("temperature_difference", "K", "pass r c"),
    "geotransform": Field("map_coordinate", "1", "gdal=6"),
    "crs": Field("reference_system", dtype="str"),
}
_FINE: dict[str, Any] = {
    "albedo": Field("albedo", "1", "row column", "float32"),
    "ndvi": Field("vegetation_index", "1", "row column", "float32"),
    "emissivity": Field("emissivity", "1", "row column", "float32"),
    "valid": Field("fraction", "1", "row column", "bool"),
    "geotransform": Field("map_coordinate", "1", "gdal=6"),
    "crs": Field("reference_system", dtype="str"),
}


def _pixels(axes: str) -> Field:
    """Return a field of whole pixels."""
    return Field("count", "1", axes, "int64")


_USUAL = 30.0, 150e3  # m, pixels and scenes that are usual; what files hold is not known before


class _Files(ms.ScaleModel):
    """What a scene is read from."""

    coarse: Annotated[
        str,
        "1",
        "file with the temperatures, several passes with ; between; shipped: the example",
        ms.InputFiles(),
    ] = "shipped"
    fine: Annotated[
        str,
        "1",
        "file or files with albedo, vegetation index and emissivity; shipped: the example",
        ms.InputFiles(),
    ] = "shipped"
    coarse_variable: Annotated[
        str, "1", "variable, band or its number that holds the temperature; empty: the only one"
    ] = ""
    coarse_pass: Annotated[int, "1", "pass that is used, counted from 0; -1: all", Ge(-1)] = 0
    observation_times: Annotated[
        list[float], "s", "when the passes were seen, for files that do not say it"
    ] = [0.0]
    coarse_unit: Annotated[
        Literal["file", "K", "degC"], "1", "of the temperature; file: as it says, else K"
    ] = "file"
    coarse_scale: Annotated[float, "1", "K or degC per raw number; 0: as the file says", Ge(0)] = (
        0.0
    )
    coarse_offset: Annotated[float, "1", "K or degC of raw 0, with coarse_scale"] = 0.0
    coarse_nodata: Annotated[
        float, "1", "raw number that means no value, besides what the file marks"
    ] = -9999.0
    coarse_sigma: Annotated[float, "K", "standard deviation of every coarse pixel", Ge(0)] = 0.0
    sigma_file: Annotated[
        str, "1", "raster of standard deviations in K, before coarse_sigma", ms.InputFiles()
    ] = ""
    quality: Annotated[
        str, "1", "raster of quality bits; good is raw & bits == value", ms.InputFiles()
    ] = ""
    quality_variable: Annotated[str, "1", "variable or band of the quality; empty: the first"] = ""
    quality_bits: Annotated[int, "1", "bits that are looked at; -1: all"] = -1
    quality_value: Annotated[int, "1", "what these bits are where a pixel is good", Ge(0)] = 0
    cloud: Annotated[str, "1", "raster on any grid, not 0 where clouds are", ms.InputFiles()] = ""
    cloud_limit: Annotated[
        float, "1", "part of a coarse pixel that clouds may cover", Ge(0), Le(1)
    ] = 0.0
    fine_variables: Annotated[
        str, "1", "bands, variables or numbers of albedo, vegetation index and emissivity"
    ] = "albedo;ndvi;emissivity"
    fine_scale: Annotated[
        list[float], "1", "per raw number, one or one for each of them; 0: as the file says", Ge(0)
    ] = [0.0]
    fine_offset: Annotated[list[float], "1", "at raw 0, with fine_scale"] = [0.0]
    fine_nodata: Annotated[float, "1", "as coarse_nodata, for the fine files"] = -9999.0
    fine_size: Annotated[
        float, "1", "fine pixel in the unit of the coarse map; 0: that of the file", Ge(0)
    ] = 0.0
    out_of_range: Annotated[
        Literal["refuse", "mask"], "1", "fine values that cannot be: refused, or no value"
    ] = "refuse"
    crs: Annotated[str, "1", "reference system of files that carry none, such as EPSG:32633"] = ""
    warp: Annotated[
        Literal["fine", "coarse", "refuse"],
        "1",
        "which is put into the other's reference system; the observation is not touched by fine",
    ] = "fine"
    resample: Annotated[
        Literal["auto", "nearest", "bilinear", "cubic", "average"],
        "1",
        "how fine data are warped; auto: average onto larger pixels, else bilinear",
    ] = "auto"

    def requests(self) -> "tuple[CoarseRequest, FineRequest]":
        """Return what is asked of the files."""
        from manyscale_plugins.surface_scene import kernel, masks, rasters

        coarse = kernel.CoarseRequest(
            self.coarse, self.coarse_variable, self.coarse_pass, self.coarse_unit,
            rasters.Coding(self.coarse_scale, self.coarse_offset, self.coarse_nodata, self.crs),
            self.observation_times, self.coarse_sigma, self.sigma_file,
            masks.Quality(self.quality, self.quality_variable, self.quality_bits,
                          self.quality_value, self.crs),
            masks.Cloud(self.cloud, self.cloud_limit, self.crs),
        )  # fmt: skip
        offsets = self.fine_offset * (len(self.fine_scale) if len(self.fine_offset) == 1 else 1)
        if len(offsets) != len(self.fine_scale):
            raise ms.Refused(
                f"{self.name}.fine_offset has {len(offsets)} numbers and fine_scale"
                f" {len(self.fine_scale)}: give as many, or one"
            )
        codings = [
            rasters.Coding(scale, offset, self.fine_nodata, self.crs)
            for scale, offset in zip(self.fine_scale, offsets, strict=True)
        ]
        words = [word.strip() for word in self.fine_variables.split(";")]
        return coarse, kernel.FineRequest(
            self.fine, words, codings, self.out_of_range, self.fine_size, self.resample, self.warp
        )

    def scales(self) -> ms.Scales:
        """Return the fine pixel to the longest scene that is usual."""
        return ms.Scales(length=ms.Scale(*_USUAL))


class SurfaceScene(_Files):
    """Coarse temperatures and fine surface data from GeoTIFF, NetCDF or other rasters, at once.

    Both are brought onto north-up grids of one coordinate reference system and cut to what they
    share; what was done is told by `about_out`. The coarse pixels keep their values and places
    unless `warp` is coarse. Units, scale factors, nodata, quality bits and clouds are respected.
    """

    coarse_out = ms.O_F(**_COARSE)
    fine_out = ms.O_F(**_FINE)
    about_out = ms.O_F(text=Field("identity", dtype="str"))

    version: ClassVar[str] = "1"
    extra: ClassVar[str] = "rs"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"

    class State(ms.State):
        """The scene."""

        times: Array  # (pass,) s
        lst: Array  # (pass, r, c) K
        coarse_valid: Array  # (pass, r, c) bool
        sigma: Array  # (pass, r, c) K
        coarse_geotransform: Array  # (6,)
        albedo: Array  # (row, column)
        ndvi: Array  # (row, column)
        emissivity: Array  # (row, column)
        fine_valid: Array  # (row, column) bool
        geotransform: Array  # (6,)
        crs: str
        about: str

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Read all of it."""
        from manyscale_plugins.surface_scene import kernel, rasters

        with rasters.settings():
            scene = kernel.opened(*self.requests())
            surface = scene.whole()
            scene.close()
        coarse = scene.coarse
        return self.State(
            times=coarse.times,
            lst=coarse.lst,
            coarse_valid=coarse.valid,
            sigma=coarse.sigma,
            coarse_geotransform=coarse.grid.geotransform,
            albedo=surface.albedo,
            ndvi=surface.ndvi,
            emissivity=surface.emissivity,
            fine_valid=surface.valid,
            geotransform=scene.grid.geotransform,
            crs=scene.grid.crs,
            about="\n".join(scene.report),
        )

    def clock(self, state: State) -> Clock:
        """End at once."""
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        """Send the scene."""
        coarse = {
            "observation_time": state.times,
            "lst": state.lst,
            "valid": state.coarse_valid,
            "sigma": state.sigma,
            "geotransform": state.coarse_geotransform,
            "crs": state.crs,
        }
        fine = {
            "albedo": state.albedo,
            "ndvi": state.ndvi,
            "emissivity": state.emissivity,
            "valid": state.fine_valid,
            "geotransform": state.geotransform,
            "crs": state.crs,
        }
        return {"coarse_out": coarse, "fine_out": fine, "about_out": {"text": state.about}}


class SurfaceTiles(_Files):
    """The same scene tile by tile, as many at a time as workers are connected.

    Only one round of tiles is in memory. Edges of tiles lie on lines common to both grids where
    there are some; else tiles overlap by a halo beyond which the aggregation constraint of one
    coarse pixel is not felt to 1e-12, and what the halo gave is left away when it is written.
    """

    fine_out = ms.O_I(slots=True, **_FINE)
    coarse_out = ms.O_I(slots=True, **_COARSE)
    window_out = ms.O_I(
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
    written_in = ms.S(tiles=Field("count", "1", dtype="int64"))

    tile: Annotated[int, "1", "coarse pixels along the side of a tile; 0: one tile", Ge(0)] = 60
    halo: Annotated[
        int, "1", "coarse pixels that tiles overlap off common lines; 0: as many as are felt", Ge(0)
    ] = 0
    correlation_length: Annotated[
        float, "1", "of the aggregation constraint, which needs a halo for it; give both one", Ge(0)
    ] = 0.0

    version: ClassVar[str] = "1"
    extra: ClassVar[str] = "rs"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"

    class State(ms.State):
        """Which tiles there are, and how many were sent."""

        time: float  # s
        sent: int
        workers: int
        rows: Array  # (tile along an axis, 8) coarse, coarse_read, fine, fine_read
        columns: Array  # (tile along an axis, 8)

    class Engine(ms.Engine):
        """The open files; they are only read, so nothing of them is saved."""

        scene: "Scene"

        def open(self, model: "SurfaceTiles") -> None:
            """Open the files."""
            from manyscale_plugins.surface_scene import kernel, rasters

            with rasters.settings():
                self.scene = kernel.opened(*model.requests())

        def save(self, path: "Path") -> None:
            """Write nothing."""
            path.touch()

        def load(self, path: "Path") -> None:
            """Go on with the open files."""

        def close(self) -> None:
            """Close them."""
            if hasattr(self, "scene"):
                self.scene.close()

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Lay the tiles out."""
        rows, columns = self._cuts()
        return self.State(
            time=start.time,
            sent=0,
            workers=start.slots.get("fine_out", 1),
            rows=np.hstack(rows),
            columns=np.hstack(columns),
        )

    def clock(self, state: State) -> Clock:
        """Stay at the time of the scene until every tile was sent."""
        done = state.sent >= len(state.rows) * len(state.columns)
        return Clock(state.time) if done else Clock(state.time, state.time, state.time)

    def o_i(self, state: State) -> ms.Messages:
        """Read and send a round of tiles, empty ones where there are no more."""
        from manyscale_plugins.surface_scene import rasters

        tiles = self._round(state)
        with rasters.settings():
            return {
                "fine_out": [self._fine(tile) for tile in tiles],
                "coarse_out": [self._coarse(tile) for tile in tiles],
                "window_out": self._windows(state, tiles),
            }

    def s(self, state: State, received: ms.Received) -> State:
        """Go on to the next round when this one is written."""
        return state.but(sent=state.sent + state.workers)

    def _cuts(self) -> "tuple[Cut, Cut]":
        from manyscale_plugins.surface_scene import tiling

        coarse, fine = self.engine.scene.coarse.grid, self.engine.scene.grid
        reach = (self.halo, self.halo)
        smooth = self.correlation_length > 0.0
        if not self.halo and (smooth or tiling.needs_halo(coarse, fine, self.tile)):
            from manyscale_plugins.aggregation_constraint.kernel import halo

            grids = coarse.geotransform, fine.geotransform, coarse.shape, fine.shape
            reach = halo(*grids, self.correlation_length)
        shared = coarse, fine
        rows, columns = (
            tiling.cut(*shared, axis, self.tile, reach[axis], smooth) for axis in (0, 1)
        )
        return rows, columns

    def _round(self, state: State) -> "list[Tile]":
        from manyscale_plugins.surface_scene.tiling import Cut, tile_of

        rows, columns = (Cut(*np.split(one, 4, axis=1)) for one in (state.rows, state.columns))
        numbers = range(state.sent, state.sent + state.workers)
        return [tile_of(rows, columns, number) for number in numbers]

    def _fine(self, tile: "Tile") -> dict[str, Any]:
        scene = self.engine.scene
        window = tile.fine_read
        grid = scene.grid.part(window)
        surface = scene.surface(window)
        return {**surface._asdict(), "geotransform": grid.geotransform, "crs": grid.crs}

    def _coarse(self, tile: "Tile") -> dict[str, Any]:
        coarse = self.engine.scene.coarse
        window = tile.coarse_read
        grid = coarse.grid.part(window)
        return {
            "observation_time": coarse.times,
            "lst": coarse.lst[:, *window],
            "valid": coarse.valid[:, *window],
            "sigma": coarse.sigma[:, *window],
            "geotransform": grid.geotransform,
            "crs": grid.crs,
        }

    def _windows(self, state: State, tiles: "list[Tile]") -> dict[str, Any]:
        from manyscale_plugins.surface_scene import tiling

        scene = self.engine.scene
        return {
            **tiling.places(tiles),
            "fine_shape": np.array(scene.grid.shape),
            "coarse_shape": np.array(scene.coarse.grid.shape),
            "geotransform": scene.grid.geotransform,
            "coarse_geotransform": scene.coarse.grid.geotransform,
            "crs": scene.grid.crs,
            "last": state.sent + state.workers >= len(state.rows) * len(state.columns),
            "about": "\n".join(scene.report),
        }


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the models."""
    return [SurfaceScene, SurfaceTiles]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be said of files before a run."""
    from manyscale_plugins.surface_scene import checks

    return [checks.files_that_are_not_there, checks.another_correlation_length]
