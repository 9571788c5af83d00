"""What is wrong with the timelines of a model, as far as ymmsl can tell, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ymmsl.v0_2 import Conduit, ConduitFilter, MatchingTimelines, Model, Operator, Timeline
from ymmsl.v0_2.timeline_resolver import (
    ConduitTimelineError,
    CyclicDependency,
    InconsistentTimelines,
    ResolveTimelineException,
    TooManyReducerFilters,
    check_timelines,
)

from manyscale.contract.diagnostics import At

LAST, REPEAT = ConduitFilter.LAST, ConduitFilter.REPEAT


@dataclass(frozen=True)
class Mismatch:
    """One thing that is wrong with timelines: `pace` of a conduit, `interact` or `cycle`."""

    kind: Literal["pace", "interact", "cycle"]
    at: At
    text: str
    write: str = ""
    component: str = ""
    """The component that an answer was meant for."""


def mismatches(model: Model, places: Sequence[At]) -> Iterator[Mismatch]:
    """Yield what ymmsl finds in a model; that is mended or left out in it, so that all is found.

    `places` are those of its conduits.
    """
    yield from _Search(model, places).found()


class _Search:
    def __init__(self, model: Model, places: Sequence[At]) -> None:
        self.model = model
        self.places = {id(c): at for c, at in zip(self.model.conduits, places, strict=True)}

    def found(self) -> Iterator[Mismatch]:
        for _ in range(2 * len(self.model.conduits) + 1):
            try:
                check_timelines(self.model)
                return
            except CyclicDependency as exc:
                yield self._cycle(exc)
            except TooManyReducerFilters as exc:
                yield self._too_many(exc)
            except InconsistentTimelines as exc:
                yield from self._inconsistent(exc)
            except ConduitTimelineError as exc:
                yield self._pace(exc)
            except ResolveTimelineException:  # pragma: no cover  a kind that ymmsl has yet to get
                return

    def _mend(self, conduit: Conduit, filters: list[ConduitFilter] | None) -> str:
        """Go on with other filters, or without the conduit; return the line to write."""
        if filters is None:
            self.model.conduits = [c for c in self.model.conduits if c is not conduit]
            return ""
        conduit.filters = filters
        line = f"{' '.join(f.value for f in filters)} {conduit.receiver}".strip()
        if isinstance(self.places[id(conduit)][-1], int):
            return f"- {line}"
        return f"{conduit.sender}: {line}"

    def _cycle(self, exc: CyclicDependency) -> Mismatch:
        chain = list(reversed(exc.conduits))
        answer = next((c for c in chain if _answers(self.model, c, chain)), chain[-1])
        name = str(answer.receiving_component())
        said = ", ".join(f"{c.sender} to {c.receiver}" for c in chain)
        text = f"{name} waits at its start for what only comes after it has started: {said};"
        ports = self.model.components[answer.receiving_component()].ports
        returns = [f"{name}.{n}" for n, p in ports.items() if p.operator is Operator.S]
        where = " or ".join(returns) if returns else f"an S port of {name}"
        text += f" an answer to {name} goes to {where}."
        self._mend(answer, None)
        write = f"{answer.sender}: {returns[0]}" if len(returns) == 1 else ""
        return Mismatch("cycle", self.places[id(answer)], text, write, name)

    def _too_many(self, exc: TooManyReducerFilters) -> Mismatch:
        conduit, levels = exc.conduit, len(exc.sender_timeline)
        rest = [f for f in conduit.filters if f is not LAST]
        has = conduit.filters.count(LAST)
        text = (
            f"{conduit.sender} sends {_pace(exc.sender_timeline)}, so there is nothing of which"
            f" {'the ' if has == 1 else f'{has} times the '}last could be taken;"
            f" leave out {'last' if has - levels == 1 else f'{has - levels} of the filters last'}."
        )
        write = self._mend(conduit, [LAST] * levels + rest)
        return Mismatch("pace", self.places[id(conduit)], text, write)

    def _inconsistent(self, exc: InconsistentTimelines) -> Iterator[Mismatch]:
        pairs = list(zip(exc.conduits, exc.timelines, strict=True))
        by, deepest = max(pairs, key=lambda pair: len(pair[1]))
        for conduit, timeline in pairs:
            if timeline == deepest:
                continue
            missing = len(deepest) - len(timeline)
            text = (
                f"{conduit.receiver} hears from {conduit.sender} {_pace(timeline)}, but"
                f" {by.receiver} from {by.sender} {_pace(deepest)};"
            )
            fits = missing > 0 and deepest[: len(timeline)] == timeline
            filters = [*conduit.filters, *[REPEAT] * missing] if fits else None
            advice = "a component starts with messages of one pace, so take both from one loop"
            if fits:
                advice = (
                    f"add {_times('repeat', missing)} here, or"
                    f" {_times('last', missing)} before {by.receiver}"
                )
            write = self._mend(conduit, filters)
            yield Mismatch("pace", self.places[id(conduit)], f"{text} {advice}.", write)

    def _pace(self, exc: ConduitTimelineError) -> Mismatch:
        conduit, one, two = exc.conduit, exc.timeline1, exc.timeline2
        if self._interact(conduit, one, two):
            return self._interacting(conduit, one, two)
        said = f"{conduit.sender} sends {_pace(one)}, {conduit.receiver} receives {_pace(two)}"
        has = [f.value for f in conduit.filters]
        if has:
            said += f", and between is the filter {' '.join(has)}"
        lasts = sum(f.is_reducer() for f in conduit.filters)
        repeats = [f for f in conduit.filters if f.is_repeater()]
        missing = len(two) - (len(one) - lasts + len(repeats))
        filters: list[ConduitFilter] | None
        if missing == 0:
            filters = [] if one == two else None
            advice = "leave the filters out" if one == two else "the two belong to different loops"
        else:
            filters, advice = _advice(lasts, repeats, missing)
        write = self._mend(conduit, filters)
        return Mismatch("pace", self.places[id(conduit)], f"{said}; {advice}.", write)

    def _interact(self, conduit: Conduit, one: Timeline, two: Timeline) -> bool:
        """Whether two loops of one level exchange messages at every turn."""
        operators = [
            self.model.components[name].ports[port].operator
            for name, port in (
                (conduit.sending_component(), conduit.sending_port()),
                (conduit.receiving_component(), conduit.receiving_port()),
            )
            if name and port in self.model.components[name].ports
        ]
        return (
            operators == [Operator.O_I, Operator.S]
            and not conduit.filters
            and len(one) == len(two)
            and one[:-1] == two[:-1]
        )

    def _interacting(self, conduit: Conduit, one: Timeline, two: Timeline) -> Mismatch:
        self.model.matching_timelines = [
            *(self.model.matching_timelines or []),
            MatchingTimelines(one, [two]),
        ]
        back = any(
            c.sending_component() == conduit.receiving_component()
            and c.receiving_component() == conduit.sending_component()
            for c in self.model.conduits
        )
        how = "exchange messages" if back else f"are connected by {conduit.sender}"
        text = (
            f"{conduit.sending_component()} and {conduit.receiving_component()} {how} at every"
            " turn of their loops, and the model does not say that these go in step."
        )
        write = f"matching_timelines:\n  {one}: {two}"
        return Mismatch("interact", self.places[id(conduit)], text, write)


def _answers(model: Model, conduit: Conduit, chain: list[Conduit]) -> bool:
    """Whether a conduit brings an O_F result back to a component that called for it."""
    sender = model.components[conduit.sending_component()]
    asks = any(
        c.sending_component() == conduit.receiving_component()
        and model.components[c.sending_component()].ports[c.sending_port()].operator is Operator.O_I
        for c in chain
    )
    return asks and sender.ports[conduit.sending_port()].operator is Operator.O_F


def _advice(
    lasts: int, repeats: list[ConduitFilter], missing: int
) -> tuple[list[ConduitFilter], str]:
    """Return filters that bridge the levels that are missing, and how to say it."""
    if missing > 0:
        if lasts >= missing:
            return [LAST] * (lasts - missing) + repeats, f"leave out {_times('last', missing)}"
        return [LAST] * lasts + [REPEAT] * missing + repeats, f"add {_times('repeat', missing)}"
    if len(repeats) >= -missing:
        gone = repeats[: len(repeats) + missing]
        return [LAST] * lasts + gone, f"leave out {_times(repeats[-1].value, -missing)}"
    return [LAST] * (lasts - missing) + repeats, f"add {_times('last', -missing)}"


def _times(word: str, number: int) -> str:
    return f"the filter {' '.join([word] * number)}"


def _pace(timeline: Timeline) -> str:
    """Return how often a message of a timeline comes, in words."""
    if not len(timeline):
        return "once in a run"
    return f"at every turn of {' of '.join(str(part) for part in reversed(list(timeline)))}"
