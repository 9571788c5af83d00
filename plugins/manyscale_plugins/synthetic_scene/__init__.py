"""A scene made by recipe, with temperatures that are known in every fine pixel."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le, Lt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.synthetic_scene.kernel import Made, Recipe, Weather

_FORCING = ("shortwave", "longwave", "air_temperature", "vapour_pressure")


class SyntheticScene(ms.ScaleModel):
    """Coarse means of fine temperatures that balance energy over patchy fields, and their surface.

    Smoothed white noise in 12 levels gives the vegetation index; albedo and emissivity follow it;
    moisture that is not sent multiplies the surface resistance by exp(0.35 m). With `truth`
    statistical the temperatures follow the vegetation index and noise instead, and no energy
    balance. The same numbers for the same seed, on any host.
    """

    coarse_out = ms.O_F(
        observation_time=Field("time", "s", "pass"),
        lst=Field("temperature", "K", "pass r c"),
        valid=Field("fraction", "1", "pass r c", "bool"),
        sigma=Field("temperature_difference", "K", "pass r c"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    fine_out = ms.O_F(
        albedo=Field("albedo", "1", "row column", "float32"),
        ndvi=Field("vegetation_index", "1", "row column", "float32"),
        emissivity=Field("emissivity", "1", "row column", "float32"),
        valid=Field("fraction", "1", "row column", "bool"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    about_out = ms.O_F(text=Field("identity", dtype="str"))

    fine_size: Annotated[float, "m", "side of a fine pixel", Ge(1), Le(1000)] = 30.0
    coarse_size: Annotated[float, "m", "side of a coarse pixel", Gt(0)] = 500.0
    n_fine: Annotated[list[int], "1", "rows and columns of fine pixels", Ge(1)] = [500, 500]
    corner: Annotated[list[float], "m", "west and north edge on the map"] = [600000.0, 5600010.0]
    crs: Annotated[str, "1", "coordinate reference system of the map"] = "EPSG:32633"
    seed: Annotated[int, "1", "of all random numbers of the scene", Ge(0)] = 1
    truth: Annotated[
        Literal["energy_balance", "statistical"], "1", "what the temperatures follow"
    ] = "energy_balance"
    moisture: Annotated[float, "1", "of ln rs per standard deviation of moisture", Ge(0)] = 0.35
    noise: Annotated[float, "K", "standard deviation of the coarse temperatures", Ge(0)] = 0.0
    cloud_fraction: Annotated[
        float, "1", "part of the coarse pixels under clouds", Ge(0), Lt(1)
    ] = 0.0
    observation_times: Annotated[list[float], "s", "when the satellite passes"] = [0.0]
    shortwave: Annotated[
        list[float], "W/m2", "S at the passes, one for all or one for each", Ge(0), Le(1400)
    ] = [800.0]
    longwave: Annotated[list[float], "W/m2", "L, likewise", Ge(50), Le(600)] = [350.0]
    air_temperature: Annotated[list[float], "K", "Ta, likewise", Ge(220), Le(330)] = [298.15]
    vapour_pressure: Annotated[list[float], "Pa", "ea, likewise", Ge(0), Le(8000)] = [1500.0]
    rs_veg: Annotated[float, "s/m", "surface resistance of full cover", Gt(0)] = 80.0
    rs_soil: Annotated[float, "s/m", "surface resistance of bare soil", Gt(0)] = 1500.0
    ra_min: Annotated[float, "s/m", "aerodynamic resistance over full cover", Gt(0)] = 40.0
    ra_max: Annotated[float, "s/m", "aerodynamic resistance over bare soil", Gt(0)] = 70.0
    ground_fraction: Annotated[
        float, "1", "part of net radiation into the ground", Ge(0), Le(0.5)
    ] = 0.1

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = ()

    class State(ms.State):
        """The scene."""

        albedo: Array  # (row, column)
        ndvi: Array  # (row, column)
        emissivity: Array  # (row, column)
        lst: Array  # (pass, r, c) K
        valid: Array  # (pass, r, c) bool
        sigma: Array  # (pass, r, c) K

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fine_size > self.coarse_size:
            raise ms.Refused(
                f"synthetic_scene.fine_size is {self.fine_size:g} m and coarse_size"
                f" {self.coarse_size:g} m: fine pixels must not be larger than coarse ones"
            )
        for name, wanted in (("n_fine", 2), ("corner", 2)):
            if len(getattr(self, name)) != wanted:
                raise ms.Refused(f"synthetic_scene.{name} has {len(getattr(self, name))} numbers,"
                                 f" expected {wanted}")  # fmt: skip
        for name in _FORCING:
            if len(getattr(self, name)) not in (1, len(self.observation_times)):
                raise ms.Refused(
                    f"synthetic_scene.{name} has {len(getattr(self, name))} numbers for"
                    f" {len(self.observation_times)} of observation_times: give one, or one each"
                )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Make the scene."""
        found = self.made()
        return self.State(
            **found.surface._asdict(),
            lst=found.lst,
            valid=found.valid,
            sigma=np.where(found.valid, self.noise, 0.0),
        )

    def clock(self, state: State) -> Clock:
        """End at once."""
        return Clock(0.0)

    def o_f(self, state: State) -> ms.Messages:
        """Send the scene, not its truth."""
        fine, coarse = self._grids()
        return {
            "coarse_out": {
                "observation_time": np.array(self.observation_times),
                "lst": state.lst,
                "valid": state.valid,
                "sigma": state.sigma,
                "geotransform": coarse,
                "crs": self.crs,
            },
            "fine_out": {
                "albedo": state.albedo,
                "ndvi": state.ndvi,
                "emissivity": state.emissivity,
                "valid": np.ones(state.ndvi.shape, dtype=np.bool_),
                "geotransform": fine,
                "crs": self.crs,
            },
            "about_out": {"text": f"synthetic scene, seed {self.seed}, truth {self.truth}"},
        }

    def scales(self) -> ms.Scales:
        """Return a fine pixel to the longer side of the scene."""
        return ms.Scales(length=ms.Scale(self.fine_size, max(self.n_fine) * self.fine_size))

    def made(self) -> "Made":
        """Return the scene with its truth."""
        from manyscale_plugins.synthetic_scene import kernel

        return kernel.made(self.recipe(), self.weather())

    def recipe(self) -> "Recipe":
        """Return what the scene is made of."""
        from manyscale_plugins.synthetic_scene import kernel

        fine, coarse = kernel.grids(
            self.n_fine, self.fine_size, self.coarse_size, self.corner, self.crs
        )
        return kernel.Recipe(
            fine, coarse, self.seed, self.truth, self.moisture, self.noise, self.cloud_fraction,
            (self.rs_veg, self.rs_soil, self.ra_min, self.ra_max), self.ground_fraction,
        )  # fmt: skip

    def weather(self) -> "Weather":
        """Return what the air does at every pass."""
        from manyscale_plugins.synthetic_scene.kernel import Weather

        passes = len(self.observation_times)
        return Weather(*(
            values * passes if len(values) == 1 else values
            for values in (getattr(self, name) for name in _FORCING)
        ))  # fmt: skip

    def _grids(self) -> tuple[Any, Any]:
        from manyscale_plugins.synthetic_scene import kernel

        given = self.n_fine, self.fine_size, self.coarse_size, self.corner, self.crs
        fine, coarse = kernel.grids(*given)
        return fine.geotransform, coarse.geotransform

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a small scene with two passes and clouds."""
        from manyscale import testing

        return testing.Example({
            "n_fine": [50, 67], "observation_times": [0.0, 3600.0], "cloud_fraction": 0.2,
            "shortwave": [800.0, 0.0], "noise": 0.3,
        })  # fmt: skip


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [SyntheticScene]
