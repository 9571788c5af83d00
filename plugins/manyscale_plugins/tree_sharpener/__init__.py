"""Sharpening by regression trees, in the place of an energy balance."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge

if TYPE_CHECKING:
    from manyscale import testing


class TreeSharpener(ms.ScaleModel):
    """Bagged regression trees with linear leaves, learnt between coarse means (Gao 2012).

    Albedo, vegetation index and emissivity are the predictors; what every coarse pixel has beyond
    the trees is added. Valid where fine pixels are mixed as the coarse ones are: outside the range
    of the coarse means it only continues lines.
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

    trees: Annotated[int, "1", "number of trees that are averaged", Ge(1)] = 30
    leaf: Annotated[int, "1", "least number of coarse pixels in a leaf", Ge(2)] = 30
    seed: Annotated[int, "1", "of the samples the trees are grown on", Ge(0)] = 1

    version: ClassVar[str] = "1"
    extra: ClassVar[str] = "surrogate"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "gao2012",
            "F. Gao, W. P. Kustas and M. C. Anderson, A data mining approach for sharpening "
            "thermal satellite imagery over land, Remote Sensing 4 (2012) 3287",
            "10.3390/rs4113287",
        ),
        ms.Citation(
            "pedregosa2011",
            "F. Pedregosa and others, Scikit-learn: machine learning in Python, Journal of "
            "Machine Learning Research 12 (2011) 2825",
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
        from manyscale_plugins.downscaling_baseline.kernel import Coarse, grid_of
        from manyscale_plugins.tree_sharpener import kernel

        fine, coarse = received.fine_in, received.coarse_in
        now = int(np.abs(coarse.observation_time - start.time).argmin())
        seen = Coarse(
            coarse.lst[now],
            coarse.valid[now],
            grid_of(coarse.geotransform, coarse.lst.shape[1:], coarse.crs),
        )
        grid = grid_of(fine.geotransform, fine.ndvi.shape, fine.crs)
        try:
            found = kernel.sharpened(
                [fine.albedo, fine.ndvi, fine.emissivity], fine.valid, grid, seen,
                self.trees, self.leaf, self.seed,
            )  # fmt: skip
        except ValueError as exc:
            raise ms.Refused(f"tree_sharpener: {exc}.") from None
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
        from manyscale_plugins.downscaling_baseline import example_messages

        return testing.Example({"trees": 3}, example_messages())


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [TreeSharpener]
