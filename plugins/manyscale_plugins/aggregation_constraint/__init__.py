"""Changes a fine temperature field by the least that gives it the means that were observed."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale_plugins.aggregation_constraint.kernel import Constrained, Rule


class AggregationConstraint(ms.ScaleModel):
    """T_f = T_m + K A^T (A K A^T + R)^-1 (T_c - A T_m): fine temperatures with coarse means.

    A is the area-weighted mean over the valid fine pixels of a coarse one, for any ratio and
    alignment of the two grids; K the correlation of the model's errors, 1 by default; R = 0 for
    `exact`, the variances of the observation for `tikhonov` (Rodgers 2000). In T^4 the change of T
    is still the least. Acts in the step in which an observation lies, and passes the model field
    through in others.
    """

    coarse_in = ms.F_INIT(
        observation_time=Field("time", "s", "pass"),
        lst=Field("temperature", "K", "pass r c"),
        valid=Field("fraction", "1", "pass r c", "bool"),
        sigma=Field("temperature_difference", "K", "pass r c"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    model_in = ms.F_INIT(
        lst_model=Field("temperature", "K", "row column"),
        valid=Field("fraction", "1", "row column", "bool"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    lst_out = ms.O_F(
        lst=Field("temperature", "K", "row column"),
        valid=Field("fraction", "1", "row column", "bool"),
        std=Field("temperature_difference", "K", "row column", optional=True),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )
    residual_out = ms.O_F(
        residual=Field("temperature_difference", "K", "r c"),
        valid=Field("fraction", "1", "r c", "bool"),
        geotransform=Field("map_coordinate", "1", "gdal=6"),
        crs=Field("reference_system", dtype="str"),
    )

    aggregate_in: Annotated[
        Literal["T", "T4"], "1", "what is averaged: temperature, or its fourth power"
    ] = "T"
    method: Annotated[
        Literal["exact", "tikhonov"], "1", "meet every mean, or weigh it with its uncertainty"
    ] = "exact"
    model_std: Annotated[float, "K", "standard deviation of the model in a fine pixel", Gt(0)] = 1.0
    observation_std: Annotated[
        float, "K", "tikhonov: of the observation in pixels that come without one", Gt(0)
    ] = 1.0
    correlation_length: Annotated[
        float, "1", "map units in which the model's errors lose all correlation; 0: none", Ge(0)
    ] = 0.0
    min_cover: Annotated[
        float, "1", "valid part a coarse pixel must have to be held", Gt(0), Le(1)
    ] = 0.5
    uncertainty: Annotated[bool, "1", "send the posterior standard deviation of fine pixels"] = (
        False
    )
    tolerance: Annotated[float, "K", "what may be left of an exact mean", Gt(0)] = 1e-9
    step: Annotated[float, "s", "an observation acts if it lies this long from a call", Gt(0)] = (
        600.0
    )

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "rodgers2000",
            "C. D. Rodgers, Inverse Methods for Atmospheric Sounding, World Scientific (2000)",
            "10.1142/3171",
        ),
        ms.Citation(
            "kyriakidis2004",
            "P. C. Kyriakidis, A geostatistical framework for area-to-point spatial "
            "interpolation, Geographical Analysis 36 (2004) 259",
            "10.1111/j.1538-4632.2004.tb01135.x",
        ),
    )

    class State(ms.State):
        """The answer of a call."""

        time: float  # s
        lst: Array  # (row, column) K
        valid: Array  # (row, column) bool
        std: Array | None  # (row, column) K
        fine: Array  # (6,) geotransform
        residual: Array  # (r, c) K
        held: Array  # (r, c) bool
        coarse: Array  # (6,) geotransform
        crs: str

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Constrain the model field if an observation lies in the step that begins now."""
        coarse, model = received.coarse_in, received.model_in
        if coarse.crs != model.crs:
            raise ms.Refused(
                f"aggregation_constraint: coarse_in is in {coarse.crs}, model_in in {model.crs};"
                " bring both scenes to one reference system."
            )
        number = self._pass(coarse.observation_time, start.time)
        found = self._found(number, coarse, model)
        return self.State(
            time=start.time,
            lst=found.lst,
            valid=model.valid,
            std=found.std,
            fine=model.geotransform,
            residual=found.residual,
            held=found.held,
            coarse=coarse.geotransform,
            crs=model.crs,
        )

    def clock(self, state: State) -> Clock:
        """End at once."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send the field, and what is left of every mean."""
        fine = {"geotransform": state.fine, "crs": state.crs}
        coarse = {"geotransform": state.coarse, "crs": state.crs}
        uncertain = {} if state.std is None else {"std": state.std}
        return {
            "lst_out": {"lst": state.lst, "valid": state.valid, **uncertain, **fine},
            "residual_out": {"residual": state.residual, "valid": state.held, **coarse},
        }

    def scales(self) -> ms.Scales:
        """Return a pixel of 30 m to a scene of 150 km; no scale of time."""
        return ms.Scales(length=ms.Scale(30.0, 1.5e5))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return six coarse pixels of 50 m on 10 x 15 fine ones of 10 m, one of them clouded."""
        from manyscale import testing

        seen = np.array([[[300.0, 301.0, 302.0], [303.0, 304.0, 0.0]]])
        coarse = {
            "observation_time": np.zeros(1),
            "lst": seen,
            "valid": seen > 0.0,
            "sigma": np.full(seen.shape, 0.5),
            "geotransform": np.array([0.0, 50.0, 0.0, 100.0, 0.0, -50.0]),
            "crs": "EPSG:32632",
        }
        valid = np.ones((10, 15), bool)
        valid[2, 7] = False
        model = {
            "lst_model": 300.0 + np.arange(150.0).reshape(10, 15) / 50.0,
            "valid": valid,
            "geotransform": np.array([0.0, 10.0, 0.0, 100.0, 0.0, -10.0]),
            "crs": "EPSG:32632",
        }
        settings = {"method": "tikhonov", "uncertainty": True, "correlation_length": 40.0}
        return testing.Example(settings, {"coarse_in": coarse, "model_in": model})

    @property
    def rule(self) -> "Rule":
        """Return what the kernel holds to."""
        from manyscale_plugins.aggregation_constraint.kernel import Rule

        return Rule(
            aggregate_in=self.aggregate_in,
            method=self.method,
            model_std=self.model_std,
            observation_std=self.observation_std,
            correlation_length=self.correlation_length,
            min_cover=self.min_cover,
            tol=self.tolerance,
        )

    def _pass(self, times: Array, now: float) -> int | None:
        """Return the number of the pass that lies in [now, now + step), if there is one."""
        inside = np.flatnonzero((times >= now - 1e-9 * self.step) & (times < now + self.step))
        if len(inside) > 1:
            raise ms.Refused(
                f"aggregation_constraint: the observations at {times[inside[0]]:g} s and"
                f" {times[inside[1]]:g} s lie in one step of {self.step:g} s from {now:g} s:"
                " take shorter steps, or leave one out."
            )
        return int(inside[0]) if len(inside) else None

    def _found(self, number: int | None, coarse: ms.Contact, model: ms.Contact) -> "Constrained":
        from manyscale_plugins.aggregation_constraint import kernel

        if number is None:
            none = np.zeros(coarse.lst.shape[1:])
            std = np.where(model.valid, self.model_std, 0.0) if self.uncertainty else None
            return kernel.Constrained(model.lst_model, none, none > 0.0, std)
        seen = kernel.Observation(
            coarse.lst[number], coarse.valid[number], coarse.sigma[number], coarse.geotransform
        )
        given = model.lst_model, model.valid, model.geotransform, seen
        try:
            kernel.refuse_unlikely(seen)
            return kernel.constrained(*given, self.rule, self.uncertainty)
        except ValueError as exc:
            raise ms.Refused(f"aggregation_constraint: {exc}.") from None


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [AggregationConstraint]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be said of passes before a run."""
    from manyscale_plugins.aggregation_constraint import checks

    return [checks.steps_of_the_caller]
