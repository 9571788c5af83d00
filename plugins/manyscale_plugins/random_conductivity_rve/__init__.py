"""Effective conductivity of a sample of random elements."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing


class RandomConductivityRve(ms.ScaleModel):
    """k of n random elements: a mean of parallel ones, linear or lognormal, or a field in 2-D.

    linear: k = theta + s_a mean(z) [W/(m K)]; lognormal: k = k_ref e^theta mean(e^(s_a z)), exact
    for elements side by side; field: steady conduction through sqrt(n) x sqrt(n) grains of
    k_ref e^(theta + s_a z), finite volumes, first order at the corners of grains. z are standard
    normal, drawn with the seed in the message.
    """

    sample_in = ms.F_INIT(
        theta=Field("number", "1", "parameter"),
        seed=Field("identity", "1", dtype="int64"),
    )
    k_out = ms.O_F(k_eff=Field("thermal_conductivity", "W/(m K)"))

    mode: Annotated[Literal["linear", "lognormal", "field"], "1", "law of the sample"] = "lognormal"
    n: Annotated[int, "1", "random elements", Ge(1), Le(1_000_000)] = 16
    s_a: Annotated[float, "1", "standard deviation of an element", Ge(0), Le(3)] = 0.8
    k_ref: Annotated[float, "W/(m K)", "conductivity at theta = 0 (lognormal, field)", Gt(0)] = 1.0
    cells: Annotated[int, "1", "cells along a grain (field)", Ge(1), Le(64)] = 4
    grain: Annotated[float, "m", "size of an element, for the scales", Gt(0)] = 1e-5

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    batched: ClassVar[bool] = True
    autonomous: ClassVar[bool] = True
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "dykhne1971",
            "A. M. Dykhne, Conductivity of a two-dimensional two-phase system, Soviet Physics JETP"
            " 32 (1971) 63-65",
        ),
    )

    class State(ms.State):
        """The result; in a batch of every member."""

        time: float  # s
        k_eff: Array  # W/(m K)

    def __post_init__(self) -> None:
        """Refuse a number of grains that makes no square."""
        super().__post_init__()
        side = round(self.n**0.5)
        if self.mode == "field" and side * side != self.n:
            raise ms.Refused(
                f"{self.name}.n is {self.n}, and a field is a square of grains; take {side**2} or"
                f" {(side + 1) ** 2}."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Draw the elements of every member and find what they conduct together."""
        theta, seeds = received.sample_in.theta, received.sample_in.seed
        if theta.shape[-1] != 1:
            raise ms.Refused(
                f"{self.name}.sample_in: theta has {theta.shape[-1]} parameters, expected one."
            )
        law = self._law()
        members = zip(np.ravel(theta[..., 0]), np.ravel(seeds), strict=True)
        k = np.array(
            [law(t, ms.random_numbers(int(s)).standard_normal(self.n)) for t, s in members]
        )
        return self.State(time=start.time, k_eff=k.reshape(np.shape(seeds)))

    def clock(self, state: State) -> Clock:
        """Return the time of the question: the sample is quasi-steady."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the effective conductivity."""
        return {"k_out": {"k_eff": state.k_eff}}

    def scales(self) -> ms.Scales:
        """Return no time, and lengths from one element to all of them."""
        reach = self.n**0.5 if self.mode == "field" else self.n
        return ms.Scales(
            time=ms.Scale(0.0, 0.0), length=ms.Scale(self.grain, float(reach * self.grain))
        )

    def _law(self) -> Callable[[float, Array], float]:
        from functools import partial

        from manyscale_plugins.random_conductivity_rve import kernel

        if self.mode == "linear":
            return partial(kernel.linear, s_a=self.s_a)
        if self.mode == "lognormal":
            return partial(kernel.lognormal, s_a=self.s_a, k_ref=self.k_ref)
        return partial(kernel.field, s_a=self.s_a, k_ref=self.k_ref, cells=self.cells)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a sample with its seed."""
        from manyscale import testing

        return testing.Example({}, {"sample_in": {"theta": np.array([0.1]), "seed": 7}})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [RandomConductivityRve]
