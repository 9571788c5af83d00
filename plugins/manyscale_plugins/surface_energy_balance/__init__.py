"""The temperature of every pixel of a scene from its surface energy balance."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.surface_energy_balance.kernel import Surface, Weather

_row = ms.block("row")


class SurfaceEnergyBalance(ms.ScaleModel):
    """Net radiation less ground heat = sensible + latent heat, solved for T in every pixel.

    (1 - cg) [(1 - albedo) S + eps (L - sigma T^4)] = rho cp (T - Ta) / ra
    + (rho cp / gamma) max(es(T) - ea, 0) / (ra + rs). Steady; no exchange between pixels.
    Newton's method to `newton_tol`. On MPI ranks each has a block of rows; any number of ranks
    or threads gives the same bits.
    """

    fine_in = ms.F_INIT(
        albedo=Field("albedo", "1", "row column", "float32", held=_row),
        ndvi=Field("vegetation_index", "1", "row column", "float32", held=_row),
        emissivity=Field("emissivity", "1", "row column", "float32", held=_row),
        valid=Field("fraction", "1", "row column", "bool", held=_row),
        geotransform=Field("map_coordinate", "1", "gdal=6", held=ms.REPLICATED),
        crs=Field("reference_system", dtype="str", held=ms.REPLICATED),
    )
    coarse_in = ms.F_INIT(
        optional=True,
        observation_time=Field("time", "s", "pass"),
        lst=Field("temperature", "K", "pass r c"),
        valid=Field("fraction", "1", "pass r c", "bool"),
        sigma=Field("temperature_difference", "K", "pass r c"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    air_in = ms.F_INIT(
        optional=True,
        air_temperature=Field("temperature", "K", held=ms.REPLICATED),
        vapour_pressure=Field("pressure", "Pa", held=ms.REPLICATED),
        shortwave=Field("heat_flux", "W/m2", held=ms.REPLICATED),
        longwave=Field("heat_flux", "W/m2", held=ms.REPLICATED),
    )
    lst_out = ms.O_F(
        lst_model=Field("temperature", "K", "row column", held=_row),
        valid=Field("fraction", "1", "row column", "bool", held=_row),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    heat_out = ms.O_F(sensible=Field("heat_flux", "W/m2"), latent=Field("heat_flux", "W/m2"))

    shortwave: Annotated[float, "W/m2", "S, radiation from sun and sky", Ge(0), Le(1400)] = 800.0
    longwave: Annotated[float, "W/m2", "L, radiation of the sky", Ge(50), Le(600)] = 350.0
    air_temperature: Annotated[float, "K", "Ta", Ge(220), Le(330)] = 298.15
    vapour_pressure: Annotated[float, "Pa", "ea", Ge(0), Le(8000)] = 1500.0
    rs_veg: Annotated[float, "s/m", "surface resistance of full cover", Gt(0)] = 80.0
    rs_soil: Annotated[float, "s/m", "surface resistance of bare soil", Gt(0)] = 1500.0
    ra_min: Annotated[float, "s/m", "aerodynamic resistance over full cover", Gt(0)] = 40.0
    ra_max: Annotated[float, "s/m", "aerodynamic resistance over bare soil", Gt(0)] = 70.0
    ground_fraction: Annotated[
        float, "1", "cg, part of net radiation that goes into the ground", Ge(0), Le(0.5)
    ] = 0.1
    newton_tol: Annotated[float, "K", "tolerance of the temperature", Gt(0)] = 1e-9

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    capabilities: ClassVar[ms.Capabilities] = ms.Capabilities(parallel="mpi")
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "monteith1965",
            "J. L. Monteith, Evaporation and environment, Symposia of the Society for "
            "Experimental Biology 19 (1965) 205",
        ),
        ms.Citation(
            "bolton1980",
            "D. Bolton, The computation of equivalent potential temperature, Monthly Weather "
            "Review 108 (1980) 1046",
            "10.1175/1520-0493(1980)108<1046:TCOEPT>2.0.CO;2",
        ),
    )

    class State(ms.State):
        """The answer of a call; each rank has its rows."""

        time: float  # s
        temperature: Array  # (own row, column) K
        valid: Array  # (own row, column) bool
        sensible: float  # W/m2, mean of the scene
        latent: float  # W/m2, mean of the scene
        geotransform: Array  # (6,)
        crs: str

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Solve every pixel under the weather that came, or that of the settings."""
        from manyscale_plugins.surface_energy_balance import air, kernel

        fine = received.fine_in
        given = fine.albedo, fine.ndvi, fine.emissivity, fine.valid
        weather, row = self._weather(received), self._first_row(len(fine.albedo))
        try:
            for name, value in weather._asdict().items():
                air.refuse_unlikely(name, value)
            kernel.refuse_unlikely(*given, row)
            found = kernel.balance(*given, weather, self._surface, self.newton_tol, first_row=row)
        except ValueError as exc:
            raise ms.Refused(f"surface_energy_balance: {exc}.") from None
        sums = self.ranks.gathered(np.stack([found.sensible, found.latent, found.pixels], axis=1))
        sensible, latent = (0.0, 0.0) if sums is None else _means(sums)
        return self.State(
            time=start.time,
            temperature=found.temperature,
            valid=fine.valid,
            sensible=sensible,
            latent=latent,
            geotransform=fine.geotransform,
            crs=fine.crs,
        )

    def clock(self, state: State) -> Clock:
        """End at once: the balance is steady."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send the temperatures on the grid of the scene, and the means of the heat."""
        return {
            "lst_out": {
                "lst_model": state.temperature,
                "valid": state.valid,
                "geotransform": state.geotransform,
                "crs": state.crs,
            },
            "heat_out": {"sensible": state.sensible, "latent": state.latent},
        }

    def scales(self) -> ms.Scales:
        """Return a pixel of 30 m to a scene of 150 km; no scale of time."""
        return ms.Scales(length=ms.Scale(30.0, 1.5e5))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return half a field and half bare soil, one pixel under a cloud."""
        from manyscale import testing

        half = np.repeat(np.array([[0.2, 0.8]], np.float32), 4, axis=0).repeat(3, axis=1)
        valid = np.ones((4, 6), bool)
        valid[1, 2] = False
        fine = {
            "albedo": np.full((4, 6), 0.2, np.float32),
            "ndvi": half,
            "emissivity": np.full((4, 6), 0.97, np.float32),
            "valid": valid,
            "geotransform": np.array([0.0, 30.0, 0.0, 120.0, 0.0, -30.0]),
            "crs": "EPSG:32632",
        }
        air = {
            "air_temperature": 298.15,
            "vapour_pressure": 1500.0,
            "shortwave": 800.0,
            "longwave": 350.0,
        }
        return testing.Example(messages={"fine_in": fine, "air_in": air})

    @property
    def _surface(self) -> "Surface":
        from manyscale_plugins.surface_energy_balance.kernel import Surface

        return Surface(self.rs_veg, self.rs_soil, self.ra_min, self.ra_max, self.ground_fraction)

    def _weather(self, received: ms.Received) -> "Weather":
        from manyscale_plugins.surface_energy_balance.kernel import Weather

        air = self if received.air_in is None else received.air_in
        return Weather(air.shortwave, air.longwave, air.air_temperature, air.vapour_pressure)

    def _first_row(self, own: int) -> int:
        """Return the number of this rank's first row in the scene."""
        return int(self.ranks.block(int(self.ranks.sum(own))).start)


def _means(sums: Array) -> tuple[float, float]:
    """Return sensible and latent heat of a scene [W/m2] from the sums of its rows (row, 3)."""
    sensible, latent, count = (float(x) for x in np.ascontiguousarray(sums.T).sum(axis=1))
    return (sensible / count, latent / count) if count else (0.0, 0.0)


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [SurfaceEnergyBalance]


@ms.hookimpl
def manyscale_quantities() -> list[ms.Quantity]:
    """Name what scenes consist of."""
    return [
        ms.Quantity("albedo", "1", "reflected part of the radiation of the sun"),
        ms.Quantity("emissivity", "1", "radiated part of what a black body radiates"),
        ms.Quantity("map_coordinate", "1", "number of a geotransform, in the unit of its map"),
        ms.Quantity("reference_system", "1", "coordinate reference system, as EPSG:code or WKT"),
        ms.Quantity("vegetation_index", "1", "normalised difference vegetation index"),
    ]
