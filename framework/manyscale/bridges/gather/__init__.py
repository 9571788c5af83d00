"""Takes the answers of all members of a design and says what they tell."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.gather.statistics import Table
    from manyscale.bridges.sampler.distributions import Distribution

_MEMBER = Field("identity", "1", "member", dtype="int64")


def _told(axes: str = "qoi", *, always: bool = False) -> Field:
    return Field("number", "1", axes, optional=not always, finite=False)


class Gather(ms.ScaleModel):
    """Moments and quantiles, Sobol indices, aleatory and epistemic variance, each with its error.

    What is told follows the design the members belong to. Give it the settings of the sampler:
    without a component in front they reach both.
    """

    samples_in = ms.F_INIT(
        optional=True,
        member=_MEMBER,
        outer=_MEMBER,
        inner=_MEMBER,
        level=Field("identity", "1", "member", dtype="int64", optional=True),
        theta=Field("number", "1", "member parameter"),
        y=Field("number", "1", "...", finite=False),
        provenance=Field("identity", "1", "member", dtype="int32", optional=True),
        err=Field("number", "1", "member", optional=True, finite=False),
    )
    qoi_in = ms.F_INIT(optional=True, slots=True, y=Field("number", "1", "...", finite=False))
    stats_out = ms.O_F(
        members=Field("count", "1", dtype="int64"),
        dropped=Field("identity", "1", "dropped", dtype="int64"),
        mean=_told(always=True),
        mean_se=_told(always=True),
        variance=_told(),
        variance_se=_told(),
        probability=Field("fraction", "1", "probability"),
        quantiles=_told("qoi probability"),
        quantiles_se=_told("qoi probability"),
        S1=_told("qoi parameter"),
        S1_se=_told("qoi parameter"),
        ST=_told("qoi parameter"),
        ST_se=_told("qoi parameter"),
        explained=_told(),
        var_epistemic=_told(),
        var_epistemic_se=_told(),
        var_aleatory=_told(),
        var_aleatory_se=_told(),
        var_uncorrected=_told(),
        var_pick_freeze=_told(),
        squares_total=_told(),
        squares_between=_told(),
        squares_within=_told(),
        level_pairs=Field("count", "1", "level", dtype="int64", optional=True),
        level_mean=_told("level qoi"),
        level_variance=_told("level qoi"),
    )

    distributions: Annotated[
        str, "1", "those of the sampler; '' where parameters do not matter"
    ] = ""
    design: Annotated[
        Literal["mc", "lhs", "sobol", "pce", "saltelli", "nested", "mlmc"], "1", "of the members"
    ] = "sobol"
    pce_order: Annotated[int, "1", "order of the polynomials (pce)", Ge(1), Le(20)] = 8
    probabilities: Annotated[list[float], "1", "whose quantiles are told", Ge(0), Le(1)] = [
        0.05, 0.25, 0.5, 0.75, 0.95
    ]  # fmt: skip

    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "sudret2008",
            "B. Sudret, Global sensitivity analysis using polynomial chaos expansions, Reliability"
            " Engineering and System Safety 93 (2008) 964-979",
            "10.1016/j.ress.2007.04.002",
        ),
        ms.Citation(
            "jansen1999",
            "M. J. W. Jansen, Analysis of variance designs for model output, Computer Physics"
            " Communications 117 (1999) 35-43",
            "10.1016/S0010-4655(98)00154-4",
        ),
    )

    class Member(ms.State):
        """One statistic."""

        value: Any

    class State(ms.State):
        """What the members tell."""

        time: float  # s
        told: Mapping[str, Any]  # name -> Member

    def parameters(self) -> "list[Distribution]":
        """Return what is known of the parameters."""
        from manyscale.bridges.sampler import distributions

        return distributions.parsed(self.distributions)

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take all members and find what they tell."""
        from manyscale.bridges.gather import statistics

        table = self._table(received)
        parameters = self.parameters()
        if parameters and table.theta.shape[1] != len(parameters):
            raise ms.Refused(
                f"{self.name}.distributions has {len(parameters)} parameters, and the members that"
                f" came have {table.theta.shape[1]}; give it those of the sampler."
            )
        told = statistics.found(
            self.design, parameters, table, order=self.pce_order, probabilities=self.probabilities
        )
        told["probability"] = np.array(self.probabilities)
        return self.State(time=start.time, told={k: self.Member(value=v) for k, v in told.items()})

    def clock(self, state: State) -> Clock:
        """Stamp the answer with the time of the members."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Tell all that the design has to say."""
        return {"stats_out": {name: member.value for name, member in state.told.items()}}

    def scales(self) -> ms.Scales:
        """Return an instant: it takes no simulated time."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    def _table(self, received: ms.Received) -> "Table":
        """Return the members, from one table or from one message each."""
        from manyscale.bridges.gather.statistics import Table
        from manyscale.bridges.sampler import kernel

        came = received.samples_in
        if came is None and received.qoi_in is None:
            raise ms.Refused(f"{self.name} hears no members; connect samples_in or qoi_in.")
        if came is not None and received.qoi_in is not None:
            raise ms.Refused(f"{self.name} hears members twice; connect samples_in or qoi_in.")
        if came is None:
            return self._numbered(kernel.stacked([one.y for one in received.qoi_in]))
        if not np.array_equal(np.sort(came.member), np.arange(len(came.member))):
            raise ms.Refused(
                f"{self.name}.samples_in: the members are not numbered from 0 without a gap; a"
                " sampler's table is."
            )
        order = np.argsort(came.member)
        level = came.fields.get("level")
        names = (came.member, came.outer, came.inner, came.member * 0 if level is None else level)
        y = came.y.reshape(len(came.member), -1)
        return Table(*(values[order] for values in (*names, came.theta, y)))

    def _numbered(self, y: Array) -> "Table":
        """Return answers without a table as members in the order of their slots."""
        from manyscale.bridges.gather.statistics import Table

        member = np.arange(len(y), dtype=np.int64)
        nothing = np.zeros_like(member)
        flat = y.reshape(len(y), -1)
        return Table(member, member, nothing, nothing, np.zeros((len(y), 0)), flat)

    @classmethod
    def example(cls) -> "testing.Example":
        """Return six members of a nested design."""
        from manyscale import testing

        member = np.arange(6, dtype=np.int64)
        table = {
            "member": member,
            "outer": member // 2,
            "inner": member % 2,
            "level": np.zeros(6, dtype=np.int64),
            "theta": (member // 2 + 1.0)[:, None],
            "y": np.array([1.0, 1.5, 2.0, 2.2, 3.0, 3.9]),
            "provenance": np.zeros(6, dtype=np.int32),
            "err": np.zeros(6),
        }
        settings = {"design": "nested", "distributions": "k normal 2 1 1 epistemic"}
        return testing.Example(settings, {"samples_in": table}, unconnected=frozenset({"qoi_in"}))


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [Gather]
