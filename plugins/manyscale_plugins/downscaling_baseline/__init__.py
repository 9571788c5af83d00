"""Sharpening by a regression on the vegetation index, in the place of an energy balance."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing


class DownscalingBaseline(ms.ScaleModel):
    """DisTrad, TsHARP, or the coarse value of every pixel, to compare with.

    A regression of the coarse temperatures on the mean vegetation index, applied to fine pixels,
    plus what every coarse pixel has beyond it. Valid where the vegetation explains the temperature:
    not at night, over water, or where bare soils differ.
    """

    fine_in = ms.F_INIT(
        albedo=Field("albedo", "1", "row column", "float32"),
        ndvi=Field("vegetation_index", "1", "row column", "float32"),
        emissivity=Field("emissivity", "1", "row column", "float32"),
        valid=Field("fraction", "1", "row column", "bool"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    coarse_in = ms.F_INIT(
        observation_time=Field("time", "s", "pass"),
        lst=Field("temperature", "K", "pass r c"),
        valid=Field("fraction", "1", "pass r c", "bool"),
        sigma=Field("temperature_difference", "K", "pass r c"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    lst_out = ms.O_F(
        lst_model=Field("temperature", "K", "row column"),
        valid=Field("fraction", "1", "row column", "bool"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )

    method: Annotated[Literal["distrad", "tsharp", "uniform"], "1", "which one"] = "distrad"
    homogeneous: Annotated[
        float, "1", "part of the coarse pixels that is fitted: the most even ones", Gt(0), Le(1)
    ] = 1.0

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "kustas2003",
            "W. P. Kustas, J. M. Norman, M. C. Anderson and A. N. French, Estimating subpixel "
            "surface temperatures and energy fluxes from the vegetation index-radiometric "
            "temperature relationship, Remote Sensing of Environment 85 (2003) 429",
            "10.1016/S0034-4257(03)00036-1",
        ),
        ms.Citation(
            "agam2007",
            "N. Agam, W. P. Kustas, M. C. Anderson, F. Li and C. M. U. Neale, A vegetation index "
            "based technique for spatial sharpening of thermal imagery, Remote Sensing of "
            "Environment 107 (2007) 545",
            "10.1016/j.rse.2006.10.006",
        ),
    )

    class State(ms.State):
        """The answer of a call."""

        time: float  # s
        lst: Array  # (row, column) K
        valid: Array  # (row, column) bool
        geotransform: Array  # (6,)
        crs: str

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Sharpen the pass that is nearest in time."""
        from manyscale_plugins.downscaling_baseline import kernel

        fine, coarse = received.fine_in, received.coarse_in
        now = int(np.abs(coarse.observation_time - start.time).argmin())
        seen = kernel.Coarse(
            coarse.lst[now],
            coarse.valid[now],
            kernel.grid_of(coarse.geotransform, coarse.lst.shape[1:], coarse.crs),
        )
        grid = kernel.grid_of(fine.geotransform, fine.ndvi.shape, fine.crs)
        try:
            found = kernel.sharpened(
                fine.ndvi, fine.valid, grid, seen, self.method, self.homogeneous
            )
        except ValueError as exc:
            raise ms.Refused(f"downscaling_baseline: {exc}.") from None
        return self.State(
            time=start.time,
            lst=found,
            valid=fine.valid,
            geotransform=fine.geotransform,
            crs=fine.crs,
        )

    def clock(self, state: State) -> Clock:
        """End at once."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send the temperatures on the grid of the surface data."""
        return {
            "lst_out": {
                "lst_model": state.lst,
                "valid": state.valid,
                "geotransform": state.geotransform,
                "crs": state.crs,
            }
        }

    def scales(self) -> ms.Scales:
        """Return a pixel of 30 m to a scene of 150 km."""
        return ms.Scales(length=ms.Scale(30.0, 1.5e5))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a scene of 16 coarse pixels."""
        from manyscale import testing

        return testing.Example(messages=example_messages())


def example_messages() -> dict[str, dict[str, object]]:
    """Return fine and coarse data of 16 coarse pixels, one of them not valid."""
    ndvi = np.linspace(0.1, 0.9, 400).reshape(20, 20).astype(np.float32)
    place = {"crs": "EPSG:32633"}
    fine = {
        "albedo": np.float32(0.3) - np.float32(0.1) * ndvi,
        "ndvi": ndvi,
        "emissivity": np.float32(0.95) + np.float32(0.04) * ndvi,
        "valid": np.ones((20, 20), bool),
        "geotransform": np.array([0.0, 30.0, 0.0, 600.0, 0.0, -30.0]),
        **place,
    }
    coarse = {
        "observation_time": np.zeros(1),
        "lst": np.linspace(315.0, 300.0, 16).reshape(1, 4, 4),
        "valid": (np.arange(16) != 5).reshape(1, 4, 4),
        "sigma": np.zeros((1, 4, 4)),
        "geotransform": np.array([0.0, 150.0, 0.0, 600.0, 0.0, -150.0]),
        **place,
    }
    return {"fine_in": fine, "coarse_in": coarse}


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [DownscalingBaseline]
