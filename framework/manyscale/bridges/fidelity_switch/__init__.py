"""Use the expensive model only where an error indicator asks for it, and come back again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.fidelity_switch.handover import Cells
    from manyscale.bridges.fidelity_switch.kernel import Decision


class FidelitySwitch(ms.ScaleModel):
    """eta = C h2 abs(u''): cells go to the expensive model above tau, back below theta tau.

    Hysteresis, a least time between changes and a buffer keep it from flickering; a goal steers
    tau by the adjoint solution of steady diffusion. The handover divides the refined cells and
    keeps the integral of every field.
    """

    state_in = ms.F_INIT(like="*")
    indicator_in = ms.F_INIT(optional=True, like="*")
    assignment_out = ms.O_F(
        fidelity=Field("identity", "1", "x", dtype="int32"),
        tol=Field("number", "1", "x"),
        excess=Field("number", "1", "x"),
        changes=Field("count", "1", dtype="int64"),
        jump=Field("fraction", "1"),
    )
    handover_out = ms.O_F(like="state_in", axes={"*": ""})

    tau: Annotated[float, "1", "tolerance, in the unit of the field", Gt(0)]
    unit: Annotated[str, "1", "unit of tau; empty: that in which the field comes"] = ""
    field: Annotated[str, "1", "the field whose curvature is looked at"] = "u"
    coordinate: Annotated[str, "1", "the field that holds the middles of the cells"] = "x"
    factor: Annotated[float, "1", "C of the indicator", Gt(0)] = 0.125
    smooth: Annotated[int, "1", "passes of a (1, 2, 1)/4 mean before it", Ge(0), Le(100)] = 0
    theta: Annotated[float, "1", "hysteresis: coarsen below theta tau", Ge(0), Le(0.5)] = 0.5
    min_time: Annotated[float, "s", "between two changes of a cell", Ge(0)] = 0.0
    buffer: Annotated[int, "1", "cells around the refined set", Ge(0)] = 1
    goal: Annotated[Literal["none", "mean", "point", "flux"], "1", "quantity of interest"] = "none"
    goal_at: Annotated[float, "m", "place of the goal `point`"] = 0.0
    parts: Annotated[int, "1", "into which a refined cell is divided", Ge(1), Le(4096)] = 1

    keeps_state: ClassVar[bool] = True
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "becker2001",
            "R. Becker and R. Rannacher, An optimal control approach to a posteriori error"
            " estimation in finite element methods, Acta Numerica 10 (2001) 1",
            "10.1017/S0962492901000010",
        ),
    )

    class Member(ms.State):
        """One field as it is handed over."""

        value: Any

    class State(ms.State):
        """How every cell stands, since when, and what is handed over."""

        time: float  # s
        core: Array  # (n,) bool
        refined: Array  # (n,) bool
        since: Array  # (n,) s
        tol: Array  # (n,)
        excess: Array  # (n,) eta / (tau tol)
        changes: int
        jump: float
        handed: Mapping[str, Any]  # field -> Member

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Look at the cheap model's state and decide."""
        from manyscale.bridges.fidelity_switch import handover, kernel

        came = received.state_in
        x = self._middles(came)
        eta = self._indicator(came, received.indicator_in, x)
        edges = handover.edges_of(x, self._edges(came, len(x)))
        tol = self._tolerance(came, edges)
        rule = kernel.Rule(self.tau, self.theta, self.min_time, self.buffer)
        before = self._before(start.kept, len(x))
        decision = kernel.decide(eta, tol, start.time, rule, before)
        handed, jump = self._handed(came, x, handover.divided(edges, decision.refined, self.parts))
        return self.State(
            time=start.time,
            core=decision.core,
            refined=decision.refined,
            since=decision.since,
            tol=tol,
            excess=eta / (self.tau * tol),
            changes=0 if before is None else int((before.refined != decision.refined).sum()),
            jump=jump,
            handed=handed,
        )

    def clock(self, state: State) -> Clock:
        """Answer at the time of the state."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Say which cells are expensive, and hand the state over to both models."""
        assignment = {
            "fidelity": state.refined.astype(np.int32),
            "tol": state.tol,
            "excess": state.excess,
            "changes": state.changes,
            "jump": state.jump,
        }
        handed = {name: member.value for name, member in state.handed.items()}
        return {"assignment_out": assignment, "handover_out": handed}

    def scales(self) -> ms.Scales:
        """Return an instant: it takes no simulated time."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    def _middles(self, came: ms.Contact) -> Array:
        from manyscale.bridges.fidelity_switch import kernel

        x = np.asarray(self._one(came, self.coordinate), dtype=np.float64)
        x, _ = kernel.checked(self.coordinate, x, None, x.size)
        if not (np.diff(x) > 0.0).all() or x.size < 3:
            raise ms.Refused(
                f"fidelity_switch: {self.coordinate} must hold three or more ascending places."
            )
        return x

    def _edges(self, came: ms.Contact, count: int) -> Array | None:
        name = f"edges_{self.coordinate}"
        if name not in came.fields:
            return None
        from manyscale.bridges.fidelity_switch import kernel

        edges, _ = kernel.checked(name, came.fields[name], None, count + 1)
        return np.asarray(
            _unit_line(came.units[name], came.units[self.coordinate], name)[0] * edges
        )

    def _indicator(self, came: ms.Contact, given: ms.Contact | None, x: Array) -> Array:
        """Return eta (n,) in the unit of tau: what came, or from the curvature of the field."""
        from manyscale.bridges.fidelity_switch import kernel

        if given is not None:
            empty = given.fields.get("eta_mask")
            eta, _ = kernel.checked("eta", self._one(given, "eta"), empty, len(x))
            slope, _ = _unit_line(given.units["eta"], self.unit or given.units["eta"], "eta")
            return np.asarray(np.abs(slope * eta))
        have, name = came.units, self.field
        u, mask = kernel.checked(
            name, self._one(came, name), came.fields.get(f"{name}_mask"), len(x)
        )
        slope, _ = _unit_line(have[name], self.unit or have[name], name)
        eta = kernel.indicator(x, u, self.factor, self.smooth, mask)
        return np.asarray(abs(slope) * eta)

    def _one(self, came: ms.Contact, name: str) -> Any:
        if name not in came.fields:
            known = ", ".join(sorted(came.fields))
            raise ms.Refused(f"fidelity_switch: no field {name!r} came, but {known}.")
        return came.fields[name]

    def _tolerance(self, came: ms.Contact, edges: Array) -> Array:
        if self.goal == "none":
            return np.ones(len(edges) - 1)
        from manyscale.bridges.fidelity_switch import adjoint

        metre = 1.0
        if self.goal == "point":
            metre = _unit_line(came.units[self.coordinate], "m", self.coordinate)[0]
        return adjoint.local_tolerance(metre * edges, self.goal, self.goal_at)

    def _before(self, kept: Any, count: int) -> "Decision | None":
        from manyscale.bridges.fidelity_switch.kernel import Decision

        if kept is None:
            return None
        if len(kept.core) != count:
            raise ms.Refused(
                f"fidelity_switch: the cheap model came with {len(kept.core)} cells before and now"
                f" with {count}; its cells must stay the same."
            )
        return Decision(kept.core, kept.refined, kept.since)

    def _handed(
        self, came: ms.Contact, x: Array, cells: "Cells"
    ) -> tuple[dict[str, Member], float]:
        """Return all fields on the divided cells, and the largest change of an integral."""
        from manyscale.bridges.fidelity_switch import handover

        count, found, jump = len(cells.coarse) - 1, dict(came.fields), 0.0
        for name, value in came.fields.items():
            if np.ndim(value) == 0 or np.shape(value)[0] != count or name == self.coordinate:
                continue
            array = np.asarray(value)
            if array.dtype.kind != "f":
                found[name] = array[cells.parents]
                continue
            mask = came.fields.get(f"{name}_mask")
            held = np.where(_beside(mask, array), 0.0, array) if mask is not None else array
            held = np.asarray(held, dtype=np.float64)
            _refuse_not_finite(name, held)
            handed = handover.handed_over(held, cells, name in came.extensive, mask)
            jump = max(jump, handover.jump(held, handed, cells, name in came.extensive))
            found[name] = handed.astype(array.dtype, copy=False)
        found[self.coordinate] = cells.middles(x)
        if f"edges_{self.coordinate}" in found:
            name = f"edges_{self.coordinate}"
            found[name] = (
                cells.fine / _unit_line(came.units[name], came.units[self.coordinate], name)[0]
            )
        return {name: self.Member(value=value) for name, value in found.items()}, jump

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a front, steep enough in its middle."""
        from manyscale import testing

        fields = {"u": Field("concentration", "mol/m3", "x"), "x": Field("length", "um", "x")}
        x = np.linspace(-3.9, 3.9, 40)
        came = {"u": np.tanh(x), "x": x}
        example = {"tau": 2e-3, "parts": 4, "goal": "mean"}
        indicator = {"eta": Field("concentration", "mol/m3", "x")}
        return testing.Example(
            example,
            {"state_in": came, "indicator_in": {"eta": np.exp(-(x**2)) * 4e-3}},
            fields={"state_in": fields, "indicator_in": indicator},
        )


def _unit_line(have: str, want: str, name: str) -> tuple[float, float]:
    from manyscale.contract.units import affine

    try:
        return affine(have, want)
    except ms.Refused as exc:
        raise ms.Refused(f"fidelity_switch: {name}: {exc}") from None


def _beside(mask: Any, values: Array) -> Array:
    """Return a mask (n,) or of the whole field with the axes of the values."""
    mask = np.asarray(mask, dtype=bool)
    return np.asarray(mask.reshape(*mask.shape, *[1] * (values.ndim - mask.ndim)))


def _refuse_not_finite(name: str, values: Array) -> None:
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ms.Refused(
            f"fidelity_switch: {name} has {bad} values that are not finite: mask them with a bool"
            f" field {name}_mask."
        )


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [FidelitySwitch]
