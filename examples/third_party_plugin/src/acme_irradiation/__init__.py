"""Diffusivity of a crystal under irradiation."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import manyscale as ms
from manyscale import Clock, Field, Ge, Gt, Le


class IrradiatedProperties(ms.ScaleModel):
    """D = D0 exp(-Q/(R T)) + Gamma lambda2 K/6; algebraic, quasi-steady. Sizmann (1978).

    The second term is ballistic mixing: K displacements per atom and time, each making Gamma
    atoms jump by lambda in a random direction. Valid at low temperature, where the defects an
    irradiation leaves do not migrate: radiation-enhanced vacancy diffusion, between the two
    terms, is left out. The defaults resemble self-diffusion in copper and are illustrative.
    """

    irradiation_in = ms.F_INIT(optional=True, displacement_rate=Field("displacement_rate", "1/s"))
    bulk_out = ms.O_F(diffusivity=Field("diffusivity", "m2/s"))

    temperature: Annotated[float, "K", "T", Ge(4), Le(2000)] = 400.0
    D0: Annotated[float, "m2/s", "thermal prefactor", Gt(0)] = 7.8e-5
    Q: Annotated[float, "J/mol", "thermal activation energy", Ge(0)] = 211e3
    displacement_rate: Annotated[
        float, "1/s", "K, dpa per second, unless irradiation_in brings it", Ge(0)
    ] = 1e-3
    jumps: Annotated[float, "1", "Gamma, jumps per displacement", Ge(0)] = 60.0
    jump_length: Annotated[float, "m", "lambda, length of a jump", Gt(0), Le(1e-8)] = 2.5e-10

    version: ClassVar[str] = "1"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "sizmann1978",
            "R. Sizmann, The effect of radiation upon diffusion in metals, Journal of Nuclear "
            "Materials 69-70 (1978) 386",
        ),
    )

    class State(ms.State):
        """The result."""

        time: float  # s
        diffusivity: float  # m2/s

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Add the two terms."""
        from acme_irradiation import kernel

        rate = self.displacement_rate
        if received.irradiation_in is not None:
            rate = received.irradiation_in.displacement_rate
        thermal = kernel.thermal(self.D0, self.Q, self.temperature)
        ballistic = kernel.ballistic(rate, self.jumps, self.jump_length)
        return self.State(time=start.time, diffusivity=thermal + ballistic)

    def clock(self, state: State) -> Clock:
        """Return the time of the inputs: the model is algebraic."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Give the crystal its diffusivity."""
        return {"bulk_out": {"diffusivity": state.diffusivity}}

    def scales(self) -> ms.Scales:
        """Return the length of a jump; a property has no time of its own."""
        return ms.Scales(length=ms.Scale(self.jump_length, self.jump_length))


@ms.check("ACME01", "warning")
def unused_displacement_rate(graph: ms.Graph) -> Iterator[ms.Finding]:
    """A displacement rate is given that nothing uses.

    Where `irradiation_in` is connected, the rate that arrives there counts, and the setting
    `displacement_rate` does nothing. Whoever changes it will wonder why the result stays.

    Leave out the setting, or the conduit to `irradiation_in`.
    """
    for instance, node in graph.instances.items():
        given = graph.values(instance).get("displacement_rate")
        links = graph.into(node, "irradiation_in")
        if node.contract is IrradiatedProperties and given and links:
            yield ms.Finding(
                ("settings", given[0]),
                f"{instance} takes the displacement rate that {links[0].sender.name} sends;"
                " this value is not used.",
            )


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [IrradiatedProperties]


@ms.hookimpl
def manyscale_quantities() -> list[ms.Quantity]:
    """Name what an irradiation is measured by."""
    return [ms.Quantity("displacement_rate", "1/s", "displacements per atom and time")]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked of a coupling with this model."""
    return [unused_displacement_rate]
