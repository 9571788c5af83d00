"""Watch a running model and start another one exactly when a condition is met."""

import warnings
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.event_trigger.expression import Expression
    from manyscale.bridges.event_trigger.kernel import Found, Levels


class EventTrigger(ms.ScaleModel):
    """Finds where an expression of the fields that pass crosses a level, within the step.

    Between two states the fields are cubic Hermite polynomials from values and rates (fourth
    order in the step), or the sender's own dense output; Brent's method places the crossing.
    """

    state_in = ms.F_INIT(like="*")
    state_out = ms.O_F(like="state_in")
    event_out = ms.O_F(
        fired=Field("number", "1", dtype="bool"),
        t_event=Field("time", "s"),
        t_events=Field("time", "s", "event"),
    )
    crossing_out = ms.O_F(like="state_in")

    expression: Annotated[str, "1", "g, arithmetic on the fields that come, as `N[0] - 2 * M`"]
    units: Annotated[str, "1", "units of the fields in g, `N mol/m3; T K`; others as they come"] = (
        ""
    )
    direction: Annotated[Literal["rising", "falling", "both"], "1", "which crossings fire"] = (
        "rising"
    )
    on_level: Annotated[float, "1", "g crosses this level to fire"] = 0.0
    off_level: Annotated[float, "1", "g must come back beyond it before it fires again"] = 0.0
    refractory: Annotated[float, "s", "dead time after a firing", Ge(0)] = 0.0
    t_tol: Annotated[float, "1", "accuracy in parts of the step", Gt(0), Le(0.1)] = 1e-9
    samples: Annotated[int, "1", "parts a step is searched in", Ge(4), Le(1000)] = 8
    dense: Annotated[
        Literal["hermite", "linear"], "1", "linear: fields without rates serve, second order"
    ] = "hermite"
    on_missed: Annotated[
        Literal["error", "warn"], "1", "condition met before the last state passed on"
    ] = "error"

    keeps_state: ClassVar[bool] = True
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "brent1973",
            "R. P. Brent, Algorithms for Minimization without Derivatives, Prentice-Hall (1973),"
            " ch. 4",
        ),
    )

    class Member(ms.State):
        """One field as it came."""

        value: Any

    class State(ms.State):
        """The last state that passed, how the switch stands, and what this pass found."""

        time: float  # s
        came: Mapping[str, Any]  # field -> Member
        meshes: Mapping[str, Any]  # "mesh kind", "mesh points" ... -> Member
        crossing: Mapping[str, Any]  # field -> Member, at the first firing of this pass
        is_on: bool
        last: float  # s, of the last firing; -inf before the first
        fired: Array  # (event,) s, in this pass

    def __post_init__(self) -> None:
        from manyscale.bridges.event_trigger import expression

        super().__post_init__()
        expression.parse(self.expression)
        self._wanted_units()
        order = {"rising": 1, "falling": -1, "both": 1}[self.direction]
        if order * self.off_level > order * self.on_level:
            raise ms.Refused(
                f"event_trigger.off_level is {self.off_level:g} and on_level {self.on_level:g};"
                f" {self.direction} crossings need off_level"
                f" {'>=' if order < 0 else '<='} on_level."
            )

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take the next state and look at the step that led to it."""
        state, kept = received.state_in, start.kept
        if kept is None:
            return self._first(state)
        if state.time < kept.time:
            raise ms.Refused(
                f"event_trigger: a state of t = {state.time:g} s came after that of"
                f" t = {kept.time:g} s; states must come in the order of time."
            )
        if state.time == kept.time:
            return self._kept(state, kept.is_on, kept.last)
        return self._step(state, kept)

    def clock(self, state: State) -> Clock:
        """Answer at the time of the state."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Pass the state on and say whether, when and where the condition was met."""
        happened = len(state.fired) > 0
        event = {
            "fired": happened,
            "t_event": float(state.fired[0]) if happened else state.time,
            "t_events": state.fired,
        }
        came = {name: member.value for name, member in state.came.items()}
        crossing = {name: member.value for name, member in state.crossing.items()}
        return {"state_out": came, "event_out": event, "crossing_out": crossing or came}

    def geometries(self, state: State) -> Mapping[str, ms.Geometry]:
        """Return the meshes that the fields came on."""
        found: dict[str, dict[str, Any]] = {}
        for key, member in state.meshes.items():
            mesh, _, name = key.partition(" ")
            found.setdefault(mesh, {})[name] = member.value
        return {mesh: _geometry(parts) for mesh, parts in found.items()}

    def scales(self) -> ms.Scales:
        """Return an instant: it takes no simulated time."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    def _first(self, state: ms.Contact) -> State:
        from manyscale.bridges.event_trigger import fields, kernel

        condition, lines = self._condition(state)
        values = {}
        for name in condition.names:
            a, b, _ = lines[name]
            values[name] = (a * fields.clean(name, state.fields) + b)[None]
        g = self._sign() * float(condition(values)[0])
        return self._kept(state, kernel.is_on(g, self._levels()), kernel.NEVER)

    def _step(self, state: ms.Contact, kept: Any) -> State:
        from manyscale.bridges.event_trigger import fields, kernel

        before = {name: member.value for name, member in kept.came.items()}
        step = state.time - kept.time
        found = self._search(state, before, step, kept)
        times = tuple(kept.time + s * step for s in found.crossings)
        fired = kernel.alive(times, kept.last, self.refractory)
        if not fired:
            return self._kept(state, found.is_on, kept.last)
        first = found.crossings[times.index(fired[0])]
        crossing = fields.at_crossing(first, before, state.fields, self._per_step(state, step))
        return self._kept(state, found.is_on, fired[-1], fired, crossing)

    def _search(
        self, state: ms.Contact, before: Mapping[str, Any], step: float, kept: Any
    ) -> "Found":
        from manyscale.bridges.event_trigger import fields, kernel

        condition, lines = self._condition(state)
        over = {n: fields.quantity(n, before, state.fields, step, lines[n]) for n in lines}
        self._refuse_without_rates(over)
        sign = self._sign()

        def g(s: Array) -> Array:
            return sign * condition({name: one.at(s) for name, one in over.items()})

        watch = kernel.Watch(self.samples, self.t_tol)
        found = kernel.search(g, self._levels(), kept.is_on, watch)
        if found.missed:
            self._tell_missed(kept.time, state.time)
        return found

    def _kept(
        self,
        state: ms.Contact,
        is_on: bool,
        last: float,
        fired: tuple[float, ...] = (),
        crossing: Mapping[str, Any] | None = None,
    ) -> State:
        return self.State(
            time=state.time,
            came=self._members(state.fields),
            meshes=self._members(_flat(state.meshes)),
            crossing=self._members(crossing or {}),
            is_on=is_on,
            last=last,
            fired=np.array(fired, dtype=float),
        )

    def _members(self, values: Mapping[str, Any]) -> dict[str, Member]:
        return {name: self.Member(value=value) for name, value in values.items()}

    def _sign(self) -> float:
        return -1.0 if self.direction == "falling" else 1.0

    def _levels(self) -> "Levels":
        """Return the levels of g, or of -g for falling crossings."""
        from manyscale.bridges.event_trigger.kernel import Levels

        sign = self._sign()
        both = self.direction == "both"
        return Levels(sign * self.on_level, sign * self.off_level, True, both)

    def _condition(
        self, state: ms.Contact
    ) -> "tuple[Expression, dict[str, tuple[float, float, float]]]":
        """Return g and, by field it names, the conversion to the units it is written in."""
        from manyscale.bridges.event_trigger import expression, fields

        condition, wanted = expression.parse(self.expression), self._wanted_units()
        for name in (*condition.names, *wanted):
            if name not in state.fields:
                fields.clean(name, state.fields)
        return condition, {
            name: _conversion_of(name, state.units, wanted.get(name, state.units[name]))
            for name in condition.names
        }

    def _per_step(self, state: ms.Contact, step: float) -> dict[str, float]:
        from manyscale.bridges.event_trigger import fields

        return {
            name: step * _conversion_of(name, state.units, state.units[name])[2]
            for name in state.fields
            if name + fields.RATE in state.fields
        }

    def _wanted_units(self) -> dict[str, str]:
        """Return the units of the setting `units` by field."""
        found = {}
        for entry in filter(None, map(str.strip, self.units.split(";"))):
            name, _, unit = entry.partition(" ")
            if not unit:
                raise ms.Refused(
                    f"event_trigger.units has the entry {entry!r}, expected a field and its unit,"
                    " like `N mol/m3`."
                )
            if name in found:
                raise ms.Refused(f"event_trigger.units names {name} twice; give it one unit.")
            found[name] = unit.strip()
        return found

    def _refuse_without_rates(self, over: Mapping[str, Any]) -> None:
        for name, one in over.items():
            if self.dense == "hermite" and one.rates is None and one.nodes is None:
                raise ms.Refused(
                    f"event_trigger: {name} comes without {name}_rate, so a crossing could not be"
                    " placed well; send the rate beside it or set dense: linear."
                )

    def _tell_missed(self, passed: float, now: float) -> None:
        text = (
            f"event_trigger: in the step from {passed:g} s to {now:g} s the condition"
            f" {self.expression!r} is met before its beginning, and the state of t = {passed:g} s"
            " has been passed on: fields or levels jumped between two states"
        )
        if self.on_missed == "error":
            raise ms.Refused(f"{text}; send the step's own dense output or set on_missed: warn.")
        warnings.warn(f"{text}; it fires at {passed:g} s.", stacklevel=2)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a state that grows towards a level."""
        from manyscale import testing

        fields = {
            "N": Field("number", "1", "x"),
            "N_rate": Field("rate", "1/h", "x"),
        }
        came = {"N": np.full(3, 0.25), "N_rate": np.full(3, 0.5)}
        settings = {"expression": "max(N) - 0.5"}
        return testing.Example(settings, {"state_in": came}, fields={"state_in": fields})


def _flat(meshes: Mapping[str, ms.Geometry]) -> dict[str, Any]:
    """Return the parts of all meshes by `mesh part`, as a State can hold them."""
    parts: dict[str, Any] = {}
    for mesh, shape in meshes.items():
        about = {"/kind": shape.kind, "/cell_type": shape.cell_type, "/crs": shape.crs}
        parts |= {f"{mesh} {name}": value for name, value in {**about, **shape.arrays}.items()}
    return parts


def _geometry(parts: Mapping[str, Any]) -> ms.Geometry:
    arrays = {name: value for name, value in parts.items() if not name.startswith("/")}
    return ms.Geometry(parts["/kind"], arrays, parts["/cell_type"], parts["/crs"])


def _conversion_of(name: str, units: Mapping[str, str], want: str) -> tuple[float, float, float]:
    """Return (a, b, c): the field in the unit `want` is a x + b, its rate per second c x'.

    Raises `Refused` if the units of the field, or of the rate beside it, are of another kind.
    """
    return _line(name, units[name], units.get(f"{name}_rate"), want)


@cache
def _line(name: str, have: str, rate: str | None, want: str) -> tuple[float, float, float]:
    from manyscale.contract.units import affine

    try:
        a, b = affine(have, want)
    except ms.Refused as exc:
        raise ms.Refused(f"event_trigger.units wants {name} in '{want}': {exc}") from None
    if rate is None:
        return a, b, 0.0
    try:
        return a, b, affine(rate, f"({want})/s")[0]
    except ms.Refused:
        raise ms.Refused(
            f"event_trigger: {name}_rate comes in '{rate}', which is no rate of {name} in '{have}'."
        ) from None


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [EventTrigger]
