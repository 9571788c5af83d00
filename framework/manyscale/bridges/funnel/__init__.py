"""Screen many candidates with a cheap model and pass the best to an expensive one."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing


class Funnel(ms.ScaleModel):
    """All candidates to the cheap model, the best fraction `keep` to the expensive one.

    Batches, one message per worker. Says what it saves, C_hi/(C_lo + f C_hi), and what it loses:
    the expected recall of the true best, from the bivariate normal distribution.
    """

    candidates_in = ms.F_INIT(
        ids=Field("identity", "1", "item", dtype="int64"),
        features=Field("number", "1", "item feature", finite=False),
    )
    candidates_out = ms.O_I(
        slots=True,
        timeline="cheap",
        ids=Field("identity", "1", "item", dtype="int64"),
        features=Field("number", "1", "item feature"),
    )
    score_in = ms.S(
        slots=True,
        timeline="cheap",
        ids=Field("identity", "1", "item", dtype="int64"),
        score=Field("number", "1", "item", finite=False),
    )
    selected_out = ms.O_I(
        slots=True,
        timeline="expensive",
        ids=Field("identity", "1", "item", dtype="int64"),
        features=Field("number", "1", "item feature"),
        score=Field("number", "1", "item", finite=False),
    )
    result_in = ms.S(
        slots=True,
        timeline="expensive",
        ids=Field("identity", "1", "item", dtype="int64"),
        result=Field("number", "1", "item", finite=False),
    )
    ranking_out = ms.O_F(
        ids=Field("identity", "1", "item", dtype="int64"),
        cheap=Field("number", "1", "item", finite=False),
        expensive=Field("number", "1", "item", finite=False),
        stage=Field("identity", "1", "item", dtype="int32"),
        speed_up=Field("number", "1"),
        expected_recall=Field("fraction", "1", finite=False),
        rho=Field("number", "1", finite=False),
    )

    keep: Annotated[float, "1", "fraction passed on to the expensive model", Gt(0), Le(1)] = 0.01
    top: Annotated[float, "1", "true best fraction whose recall is told", Gt(0), Le(1)] = 0.001
    best: Annotated[Literal["highest", "lowest"], "1", "which scores and results are good"] = (
        "highest"
    )
    explore: Annotated[float, "1", "random picks in parts of those kept", Ge(0), Le(0.5)] = 0.0
    tie_break: Annotated[Literal["id", "random"], "1", "which of equal scores is kept"] = "id"
    dedupe: Annotated[bool, "1", "candidates with equal features are looked at once"] = True
    not_finite: Annotated[Literal["fail", "drop"], "1", "scores and results that are NaN"] = "fail"
    cost_ratio: Annotated[float, "1", "cost of the expensive model over the cheap one", Gt(0)] = 1e4
    rho: Annotated[
        float, "1", "correlation of score and result; 0: from `explore`", Ge(0), Le(1)
    ] = 0.0

    class State(ms.State):
        """Candidates by id, what each distinct one scored, and how far it came."""

        time: float  # s
        seed: int
        turn: int  # 0 cheap, 1 expensive, 2 done
        workers: int  # of the stage whose turn it is
        further: int  # workers of the expensive stage
        ids: Array  # (n,)
        row: Array  # (n,) which of the distinct ones
        features: Array  # (m, feature)
        names: Array  # (m,) id that stands for each
        score: Array  # (m,)
        result: Array  # (m,), NaN where the expensive model was not asked
        chosen: Array  # (k,) rows for the expensive model
        picked: Array  # (j,) rows of the random sample

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take the candidates in the order of their ids."""
        from manyscale.bridges.funnel import kernel

        came = received.candidates_in
        found = kernel.candidates(came.ids, came.features, self.dedupe)
        nothing = np.full(len(found.features), np.nan)
        return self.State(
            time=start.time,
            seed=start.seed,
            turn=0,
            workers=start.slots.get("candidates_out", 1),
            further=start.slots.get("selected_out", 1),
            ids=found.ids,
            row=found.row,
            features=found.features,
            names=kernel.representatives(found),
            score=nothing,
            result=nothing,
            chosen=np.zeros(0, dtype=np.intp),
            picked=np.zeros(0, dtype=np.intp),
        )

    def clock(self, state: State) -> Clock:
        """Make a turn with either model; both take no simulated time."""
        if state.turn == 2:
            return Clock(state.time)
        return Clock(state.time, state.time, None, ("cheap", "expensive")[state.turn])

    def o_i(self, state: State) -> ms.Messages:
        """Send every worker its share."""
        names, features = state.names, state.features
        if state.turn == 0:
            shares = np.array_split(np.arange(len(names)), state.workers)
            cheap = [{"ids": names[k], "features": features[k]} for k in shares]
            return {"candidates_out": cheap}
        shares = np.array_split(state.chosen, state.further)
        some = [{"ids": names[k], "features": features[k], "score": state.score[k]} for k in shares]
        return {"selected_out": some}

    def s(self, state: State, received: ms.Received) -> State:
        """Take scores and choose, or take results."""
        if state.turn == 0:
            answers = [(one.ids, one.score) for one in received.score_in]
            score = self._taken(state, np.arange(len(state.names)), answers, "score")
            chosen, picked = self._chosen(state, score)
            return state.but(turn=1, score=score, chosen=chosen, picked=picked)
        answers = [(one.ids, one.result) for one in received.result_in]
        return state.but(turn=2, result=self._taken(state, state.chosen, answers, "result"))

    def o_f(self, state: State) -> ms.Messages:
        """Return all candidates with what is known of them, and what was saved and lost."""
        from manyscale.bridges.funnel import kernel

        rows, count = state.row, max(len(state.names), 1)
        stage = np.zeros(len(state.names), dtype=np.int32)
        stage[state.chosen] = 1
        stage[np.setdiff1d(state.chosen, self._ranked(state, state.score))] = 2
        rho = self.rho
        if rho == 0.0:
            rho = kernel.correlation(state.score[state.picked], state.result[state.picked])
        kept = min(1.0, self._count(count) / count)
        recall = math.nan
        if not math.isnan(rho):
            recall = kernel.expected_recall(max(rho, 0.0), kept, self.top)
        ranking = {
            "ids": state.ids,
            "cheap": state.score[rows],
            "expensive": state.result[rows],
            "stage": stage[rows],
            "speed_up": kernel.speed_up(self.cost_ratio, len(state.chosen) / count),
            "expected_recall": recall,
            "rho": rho,
        }
        return {"ranking_out": ranking}

    def scales(self) -> ms.Scales:
        """Return an instant: it takes no simulated time."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    def _count(self, candidates: int) -> int:
        """Return how many are kept: whole numbers are not pushed up by rounding."""
        return math.ceil(self.keep * candidates * (1.0 - 1e-12))

    def _ranked(self, state: Any, score: Array) -> Array:
        """Return the rows that are kept by their score."""
        from manyscale.bridges.funnel import kernel

        tie = state.names.astype(float)
        if self.tie_break == "random":
            tie = ms.random_numbers(state.seed, 0).random(len(tie))
        sign = 1.0 if self.best == "highest" else -1.0
        return kernel.best(sign * score, self._count(len(score)), tie)

    def _chosen(self, state: Any, score: Array) -> tuple[Array, Array]:
        """Return the rows for the expensive model, and those that were picked at random.

        The picks come from all candidates, so they are a sample without a bias.
        """
        ranked, good = self._ranked(state, score), np.flatnonzero(~np.isnan(score))
        picks = min(len(good), round(self.explore * self._count(len(score))))
        random = ms.random_numbers(state.seed, 1)
        picked = np.sort(random.choice(good, picks, replace=False)) if picks else good[:0]
        return np.union1d(ranked, picked), picked

    def _taken(self, state: Any, rows: Array, answers: list[Any], what: str) -> Array:
        """Return what all workers answered for these rows (m,), NaN elsewhere."""
        from manyscale.bridges.funnel import kernel

        ids = np.concatenate([one for one, _ in answers])
        values = np.concatenate([value for _, value in answers])
        found = np.full(len(state.names), np.nan)
        found[rows] = kernel.matched(state.names[rows], ids, values)
        lost = rows[~np.isfinite(found[rows])]
        if lost.size and self.not_finite == "fail":
            raise ms.Refused(
                f"funnel: the {what} of candidate {state.names[lost[0]]} is {found[lost[0]]:g};"
                " set not_finite: drop to go on without such candidates."
            )
        found[lost] = np.nan
        return found

    @classmethod
    def example(cls) -> "testing.Example":
        """Return six candidates and answers of one worker."""
        from manyscale import testing

        ids = np.arange(6, dtype=np.int64)
        score = np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
        messages = {
            "candidates_in": {"ids": ids, "features": np.arange(12.0).reshape(6, 2)},
            "score_in": {"ids": ids, "score": score},
            "result_in": {"ids": np.array([3, 4]), "result": np.array([7.0, 5.0])},
        }
        return testing.Example({"keep": 0.3, "rho": 0.8}, messages)


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [Funnel]
