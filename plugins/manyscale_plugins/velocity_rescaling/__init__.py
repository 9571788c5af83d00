"""A thermostat: the factor by which all velocities are multiplied to reach a temperature."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import manyscale as ms
from manyscale import Clock, Field, Gt

if TYPE_CHECKING:
    from manyscale import testing


class VelocityRescaling(ms.ScaleModel):
    """dK = (K0 - K) dt/tau + 2 sqrt(K K0/N) dW/sqrt(tau), K0 = N k_B T0/2, solved exactly.

    K is the kinetic energy of N degrees of freedom: canonical (Bussi, Donadio and Parrinello
    2007). `weak` drops the noise and takes one explicit Euler step of K instead (Berendsen and
    others 1984): its fluctuations belong to no ensemble.
    """

    observed = ms.F_INIT(
        temperature=Field("temperature", "K"),
        degrees_of_freedom=Field("count", "1", dtype="int64"),
        interval=Field("time", "s"),
        # not needed: what molecular dynamics shows besides in the same message
        kinetic_energy=Field("energy", "J", optional=True),
        potential_energy=Field("energy", "J", optional=True),
        pressure=Field("pressure", "Pa", optional=True),
        atoms=Field("count", "1", dtype="int64", optional=True),
    )
    scaled = ms.O_F(velocity_factor=Field("number", "1"))

    temperature: Annotated[float, "K", "T0, wanted", Gt(0)] = 40.0
    time_constant: Annotated[float, "s", "tau, of the way to T0", Gt(0)] = 1e-12
    method: Annotated[
        Literal["stochastic", "weak"], "1", "canonical, or weak coupling to a bath"
    ] = "stochastic"

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "bussi2007",
            "G. Bussi, D. Donadio and M. Parrinello, Canonical sampling through velocity "
            "rescaling, Journal of Chemical Physics 126 (2007) 014101",
            "10.1063/1.2408420",
        ),
        ms.Citation(
            "berendsen1984",
            "H. J. C. Berendsen, J. P. M. Postma, W. F. van Gunsteren, A. DiNola and J. R. Haak, "
            "Molecular dynamics with coupling to an external bath, Journal of Chemical Physics 81 "
            "(1984) 3684",
            "10.1063/1.448118",
        ),
    )

    class State(ms.State):
        """The answer, and how many were given: each has random numbers of its own."""

        time: float  # s
        calls: int
        factor: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Find the factor for what is observed."""
        from manyscale_plugins.velocity_rescaling import kernel

        seen = received.observed
        calls = 0 if start.kept is None else start.kept.calls
        self._refuse_still(seen)
        ratio, passed = seen.temperature / self.temperature, seen.interval / self.time_constant
        if self.method == "weak":
            factor = kernel.weak(ratio, passed)
        else:
            numbers = ms.random_numbers(start.seed, calls)
            factor = kernel.stochastic(ratio, passed, seen.degrees_of_freedom, numbers)
        return self.State(time=start.time, calls=calls + 1, factor=factor)

    def _refuse_still(self, seen: ms.Contact) -> None:
        if not (seen.temperature > 0.0 and seen.interval > 0.0 and seen.degrees_of_freedom > 0):
            raise ms.Refused(
                f"{self.name}.observed has temperature = {seen.temperature:g} K,"
                f" degrees_of_freedom = {seen.degrees_of_freedom} and interval ="
                f" {seen.interval:g} s; all must be positive: what stands still cannot be scaled."
            )

    def clock(self, state: State) -> Clock:
        """Return the time of the question."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the factor."""
        return {"scaled": {"velocity_factor": state.factor}}

    def scales(self) -> ms.Scales:
        """Return the time constant; a property of the whole."""
        return ms.Scales(time=ms.Scale(self.time_constant, self.time_constant))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a small warm crystal."""
        from manyscale import testing

        seen = {"temperature": 60.0, "degrees_of_freedom": 765, "interval": 1e-13}
        return testing.Example({}, {"observed": seen})


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [VelocityRescaling]
