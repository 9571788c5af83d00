"""Sends samples of uncertain parameters to a chain of models and takes their answers."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.sampler.designs import Plan
    from manyscale.bridges.sampler.distributions import Distribution

_MEMBER = Field("identity", "1", "member", dtype="int64")
_THETA = Field("number", "1", "member parameter")
_Y = Field("number", "1", "...", finite=False)
_PLAN = ("member", "outer", "inner", "level", "theta", "key")  # of the State, as in a Plan


class Sampler(ms.ScaleModel):
    """Members of a design, all in one message or a few per turn, until each has answered.

    Monte Carlo, Latin hypercube, scrambled Sobol points, Gauss nodes of a polynomial chaos,
    Saltelli rows, nested aleatory and epistemic samples, multilevel pairs. A member has its number,
    its parameters, each in its own unit, and a seed of its own, whoever computes it. No simulated
    time passes.
    """

    samples_out = ms.O_I(member=_MEMBER, theta=_THETA, seed=_MEMBER)
    levels_out = ms.O_I(member=_MEMBER, theta=_THETA, seed=_MEMBER, level=_MEMBER)
    params_out = ms.O_I(
        slots=True,
        theta=Field("number", "1", "parameter"),
        seed=Field("identity", "1", dtype="int64"),
        parameter_names=Field("identity", "1", dtype="str"),
        parameter_units=Field("identity", "1", dtype="str"),
    )
    settings_out = ms.O_I(slots=True, overlay=True)
    qoi_in = ms.S(
        optional=True,
        member=_MEMBER,
        y=_Y,
        provenance=Field("identity", "1", "member", dtype="int32", optional=True),
        err=Field("number", "1", "member", optional=True, finite=False),
    )
    answers_in = ms.S(optional=True, slots=True, y=_Y)
    table_out = ms.O_F(
        member=_MEMBER,
        outer=_MEMBER,
        inner=_MEMBER,
        level=_MEMBER,
        theta=_THETA,
        y=_Y,
        provenance=Field("identity", "1", "member", dtype="int32"),
        err=Field("number", "1", "member", finite=False),
    )

    distributions: Annotated[
        str, "1", "'name kind numbers unit label' of each parameter, separated by ;"
    ]
    design: Annotated[
        Literal["mc", "lhs", "sobol", "pce", "saltelli", "nested", "mlmc"], "1", "of the members"
    ] = "sobol"
    n: Annotated[
        int, "1", "samples; rows of p + 2 members (saltelli), pilot pairs (mlmc)", Ge(2)
    ] = 1024
    n_outer: Annotated[int, "1", "epistemic samples (nested)", Ge(2)] = 500
    n_inner: Annotated[int, "1", "aleatory samples of each (nested)", Ge(2)] = 2
    pce_order: Annotated[int, "1", "order of the polynomials (pce)", Ge(1), Le(20)] = 8
    seed: Annotated[int, "1", "of the design and of all members", Ge(0)] = 1
    batch: Annotated[int, "1", "members per message; 0: all", Ge(0)] = 0
    not_finite: Annotated[
        Literal["fail", "drop"], "1", "members that answer NaN; drop: they stay NaN in the table"
    ] = "fail"
    eps: Annotated[float, "1", "root mean square error of the mean (mlmc)", Gt(0)] = 0.01
    levels: Annotated[int, "1", "levels to begin with (mlmc)", Ge(2)] = 3
    most_levels: Annotated[int, "1", "levels at most (mlmc)", Ge(2)] = 10
    cost_growth: Annotated[float, "1", "cost of a level over the one below (mlmc)", Gt(1)] = 2.0

    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "saltelli2010",
            "A. Saltelli et al., Variance based sensitivity analysis of model output, Computer"
            " Physics Communications 181 (2010) 259-270",
            "10.1016/j.cpc.2009.09.018",
        ),
        ms.Citation(
            "giles2008",
            "M. B. Giles, Multilevel Monte Carlo path simulation, Operations Research 56 (2008)"
            " 607-617",
            "10.1287/opre.1070.0496",
        ),
    )

    class State(ms.State):
        """The members of the design so far, and the answers of the first `done` of them."""

        time: float  # s
        slots: int  # members per turn, if each is a component of its own
        done: int
        member: Array  # (n,)
        outer: Array  # (n,)
        inner: Array  # (n,)
        level: Array  # (n,)
        theta: Array  # (n, p), each parameter in its own unit
        key: Array  # (n,) seeds
        y: Array  # (done, ...)
        provenance: Array  # (done,)
        err: Array  # (done,)

    def __post_init__(self) -> None:
        """Refuse what makes no design."""
        super().__post_init__()
        from manyscale.bridges.sampler import designs

        try:
            parameters = self.parameters()
            designs.refuse_unfit(self.design, parameters, **self._sizes())
        except ValueError as exc:
            raise ms.Refused(str(exc)) from None

    def parameters(self) -> "list[Distribution]":
        """Return what is known of the parameters."""
        from manyscale.bridges.sampler import distributions

        return distributions.parsed(self.distributions)

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Lay out the design."""
        from manyscale.bridges.sampler import designs, multilevel

        found = designs.plan(self.design, self.parameters(), self.seed, **self._sizes())
        slots = max(start.slots.get(name, 0) for name in ("params_out", "settings_out"))
        if self.design == "mlmc":
            if slots:
                raise ms.Refused(
                    f"{self.name}: the design mlmc sends its members with their level on"
                    " levels_out, to a farm; components of their own are not told one."
                )
            found = multilevel.first(self.parameters(), self.seed, self.levels, self.n)
        return self._with_plan(
            found,
            time=start.time,
            slots=slots,
            done=0,
            y=np.zeros(0),
            provenance=np.zeros(0, dtype=np.int32),
            err=np.zeros(0),
        )

    def clock(self, state: State) -> Clock:
        """Make turns until every member has answered; all at one time."""
        if state.done >= len(state.member):
            return Clock(state.time)
        last = self._rows(state).stop == len(state.member) and self.design != "mlmc"
        return Clock(state.time, state.time, None if last else state.time)

    def o_i(self, state: State) -> ms.Messages:
        """Send the members of this turn."""
        rows = self._rows(state)
        batch = {
            "member": state.member[rows],
            "theta": state.theta[rows],
            "seed": state.key[rows],
        }
        parameters = self.parameters()
        words = {
            "parameter_names": ";".join(one.name for one in parameters),
            "parameter_units": ";".join(one.unit for one in parameters),
        }
        singles = [
            {"theta": state.theta[k], "seed": int(state.key[k]), **words}
            for k in self._in_slots(state)
        ]
        return {
            "samples_out": batch,
            "levels_out": {**batch, "level": state.level[rows]},
            "params_out": singles,
            "settings_out": [self._settings(one["theta"], parameters) for one in singles],
        }

    def s(self, state: State, received: ms.Received) -> State:
        """Take the answers of this turn."""
        from manyscale.bridges.sampler import kernel

        rows = self._rows(state)
        asked = state.member[rows]
        if received.answers_in is not None:
            y = kernel.stacked([one.y for one in received.answers_in])[: len(asked)]
            came, provenance, err = asked, None, None
        elif received.qoi_in is not None:
            answer = received.qoi_in
            came, y = answer.member, answer.y
            provenance, err = (answer.fields.get(name) for name in ("provenance", "err"))
        else:
            raise ms.Refused(f"{self.name} hears no answers; connect qoi_in or answers_in.")
        if len(y) != len(came):
            raise ms.Refused(f"{self.name}: y has {len(y)} rows for {len(came)} members.")
        where = kernel.places(asked, came)
        bad = kernel.silent(came, y)
        if bad and self.not_finite == "fail":
            raise ms.Refused(
                f"{self.name}: {bad} answered no finite number; set not_finite: drop to go on"
                " without."
            )
        values = kernel.grown(state.y, rows, y.shape[1:], rows.stop)
        values[rows][where] = y
        origin, error = kernel.worst(provenance, len(came)), np.zeros(len(came))
        origin[where], error[where] = origin.copy(), 0.0 if err is None else err
        new = state.but(
            done=rows.stop,
            y=values,
            provenance=np.concatenate([state.provenance, origin]),
            err=np.concatenate([state.err, error]),
        )
        return self._further(new) if self.design == "mlmc" and self._complete(new) else new

    def o_f(self, state: State) -> ms.Messages:
        """Give all members with their answers."""
        return {
            "table_out": {
                "member": state.member,
                "outer": state.outer,
                "inner": state.inner,
                "level": state.level,
                "theta": state.theta,
                "y": state.y,
                "provenance": state.provenance,
                "err": state.err,
            }
        }

    def scales(self) -> ms.Scales:
        """Return an instant: it takes no simulated time."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    def _sizes(self) -> dict[str, int]:
        return {"n": self.n, "n_outer": self.n_outer, "n_inner": self.n_inner,
                "order": self.pce_order}  # fmt: skip

    def _with_plan(self, plan: "Plan", **others: Any) -> State:
        arrays: dict[str, Any] = dict(zip(_PLAN, plan, strict=True))
        return self.State(**arrays, **others)

    def _rows(self, state: Any) -> slice:
        """Return the members of this turn."""
        count = len(state.member)
        size = state.slots or self.batch or count
        return slice(state.done, min(state.done + size, count))

    def _in_slots(self, state: Any) -> list[int]:
        """Return a member for each slot; the last one again where none is left."""
        rows = self._rows(state)
        return [min(rows.start + k, rows.stop - 1) for k in range(state.slots)]

    def _settings(self, theta: Array, parameters: "list[Distribution]") -> dict[str, Any]:
        """Return what a member's components are told: whole numbers where all values are."""
        return {
            one.name: int(value) if one.whole else float(value)
            for one, value in zip(parameters, theta, strict=True)
        }

    def _complete(self, state: Any) -> bool:
        return bool(state.done == len(state.member))

    def _further(self, state: Any) -> State:
        """Add the pairs a multilevel estimate still needs."""
        from manyscale.bridges.sampler import designs, multilevel

        known = designs.Plan(*(getattr(state, name) for name in _PLAN))
        more = multilevel.further(
            self.parameters(),
            self.seed,
            known,
            state.y.reshape(len(state.y), -1),
            eps=self.eps,
            growth=self.cost_growth,
            pilot=self.n,
            most=self.most_levels,
        )
        if not len(more.member):
            return state  # type: ignore[no-any-return]
        together: dict[str, Any] = dict(zip(_PLAN, multilevel.joined(known, more), strict=True))
        new: Sampler.State = state.but(**together)
        return new

    @classmethod
    def example(cls) -> "testing.Example":
        """Return four members and answers to them."""
        from manyscale import testing

        settings = {"distributions": "k uniform 1 2 W/(m K); h normal 5 1", "n": 4}
        member = np.arange(4, dtype=np.int64)
        answers = {
            "member": member[::-1].copy(),
            "y": np.array([4.0, 3.0, 2.0, 1.0]),
            "provenance": np.zeros(4, dtype=np.int32),
            "err": np.zeros(4),
        }
        unconnected = frozenset({"levels_out", "params_out", "settings_out", "answers_in"})
        return testing.Example(settings, {"qoi_in": answers}, unconnected=unconnected)


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [Sampler]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked of a sampler's conduits before a run."""
    from manyscale.bridges.sampler import checks

    return [checks.settings_of_nobody, checks.levels_of_nobody]
