"""Host many members of a model in one component: one message carries the jobs of all of them."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_type_hints

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Ge, Gt, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.farm.call import Call
    from manyscale.bridges.farm.layout import Layout
    from manyscale.bridges.farm.team import Team


class _Engine(ms.Engine):
    """The workers of a farm, the costs they measured and the cache they share."""

    team: "Team"

    def open(self, model: Any) -> None:
        """Make ready; workers start with the first jobs."""
        from manyscale.bridges.farm.team import Team

        self.team = Team(model)

    def save(self, path: Any) -> None:
        """Write the measured costs."""
        self.team.save(path)

    def load(self, path: Any) -> None:
        """Read the measured costs."""
        self.team.load(path)

    def close(self) -> None:
        """End the workers."""
        self.team.close()


class _Farm(ms.ScaleModel):
    """What farms of all models have in common; `farm` makes one for a model."""

    hosted: ClassVar[type[ms.ScaleModel]]
    layout: ClassVar[Any]
    keeps_state: ClassVar[bool] = True
    owns_windows: ClassVar[bool] = True
    Engine: ClassVar[Any] = _Engine
    State: ClassVar[Any]

    workers: Annotated[int, "1", "number of workers", Ge(1), Le(1024)] = 2
    pool: Annotated[
        Literal["threads", "processes"], "1", "what workers are; MPI ranks are, where there are"
    ] = "threads"
    schedule: Annotated[
        Literal["lpt_batch", "equal_count", "queue"],
        "1",
        "one list per worker, longest jobs first; as many jobs each; or small portions on demand",
    ] = "lpt_batch"
    cost_memory: Annotated[float, "1", "weight of the newest measured cost", Gt(0), Le(1)] = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        self.members()

    def members(self) -> list[ms.ScaleModel]:
        """Return the hosted model with its settings."""
        renamed = self.layout.renamed
        values = {name: getattr(self, renamed.get(name, name)) for name in self.hosted.settings()}
        return [self.hosted.with_settings(values)]

    def f_init(self, start: ms.Start, received: ms.Received) -> Any:
        """Take the jobs, and let the workers do them."""
        from manyscale.bridges.farm import call

        jobs = received.jobs_in
        task = call.task_of(self.name, self.layout, start, jobs)
        ports = {name: received.ports.get(port) for port, name in self._held().items()}
        task.held = call.held_of(self.name, self.layout, task, ports)
        windows, base = self._windows(start.kept).called(task.window, task.iteration, self.name)
        work = call.Call(task, windows, base, self._stacked)
        self.engine.team.compute(work, np.arange(work.count))
        return self._state(work)

    def clock(self, state: Any) -> Clock:
        """Answer at the newest time of the members."""
        return Clock(state.now)

    def o_f(self, state: Any) -> ms.Messages:
        """Return the answers in the order of the jobs."""
        beside = {"member": state.member, "provenance": state.provenance, "err": state.err}
        return {
            name: {**beside, **self._answers(state, port)}
            for name, port in self.layout.sent().items()
        }

    def scales(self) -> ms.Scales:
        """Return the scales of a member."""
        return self.members()[0].scales()

    @property
    def _stacked(self) -> bool:
        return self.hosted.batched

    def _held(self) -> dict[str, str]:
        """Return the hosted model's port behind each held one of the farm."""
        return dict(zip(self.layout.held(), self.layout.by_port, strict=False))

    def _windows(self, kept: Any) -> Any:
        from manyscale.bridges.farm.kept import Shelf, Windows

        if kept is None:
            return Windows(Shelf(), Shelf())
        return Windows(
            Shelf(kept.committed_ids, kept.committed),
            Shelf(kept.trial_ids, kept.trial),
            kept.window,
            kept.iteration,
        )

    def _state(self, work: "Call") -> Any:
        windows = work.windows
        answers = {
            _attribute(c.name): work.answers.get(c.name, self._nothing(c))
            for c in self.layout.answers
        }
        return self.State(
            now=work.now,
            member=work.task.ids,
            provenance=work.provenance,
            err=work.err,
            committed_ids=windows.committed.ids,
            committed=windows.committed.states,
            trial_ids=windows.trial.ids,
            trial=windows.trial.states,
            window=windows.window,
            iteration=windows.iteration,
            **answers,
        )

    def _nothing(self, column: Any) -> Any:
        """Return a column nobody answered: of no members, or left out by all."""
        if column.declared.optional or column.text:
            return None
        lengths = [axis.length or 0 for axis in column.declared.shape or ()]
        return np.zeros((0, *lengths), column.declared.numpy_dtype)

    def _answers(self, state: Any, port: str) -> dict[str, Any]:
        found = {c.name: getattr(state, _attribute(f"{port}.{c.name}"))
                 for c in self.layout.outputs[port]}  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def example(cls) -> "testing.Example":
        """Return the example of the hosted model for three members."""
        from manyscale import testing
        from manyscale.testing.example import example_message, example_of

        own = example_of(cls.hosted)
        renamed = cls.layout.renamed
        jobs: dict[str, Any] = {"member": np.array([3, 1, 2])}
        for column in cls.layout.inputs:
            value = example_message(cls.hosted, cls.hosted.ports[column.port]).get(column.field)
            if value is not None and column.port not in own.unconnected:
                dtype = column.declared.dtype
                jobs[column.name] = (
                    value if column.text else np.stack([np.asarray(value, dtype)] * 3)
                )
        settings = {renamed.get(n, n): v for n, v in own.settings.items()}
        return testing.Example(settings, {"jobs_in": jobs}, unconnected=frozenset(cls._unused()))

    @classmethod
    def _unused(cls) -> list[str]:
        return [*cls.layout.held()]


def _attribute(answer: str) -> str:
    """Return the name that a column of answers has in the State."""
    return "of_" + answer.replace(".", "_")


_OWN = frozenset(_Farm.settings())


@cache
def farm(model: type[ms.ScaleModel]) -> type[ms.ScaleModel]:
    """Return a farm of members of a model.

    Raises `Refused` for a model that cannot be a member: one that owns its loop, needs a peer
    during its pass, or has ports with slots or any fields.
    """
    from manyscale.bridges.farm import layout as layouts

    layout = layouts.layout(model, _OWN)
    title = (model.__doc__ or "").strip().partition("\n")[0]
    body: dict[str, Any] = {
        "__doc__": f"Many members: {title}",
        "__module__": __name__,
        "__qualname__": f"farm@{model.__module__}:{model.__qualname__}",
        "__annotations__": _hints(model, layout.renamed),
        "name": f"{model.name}_farm",
        "hosted": model,
        "layout": layout,
        "Member": model.State,
        "State": _state_of(layout),
        "version": model.version,
        "state_version": model.state_version,
        "determinism": model.determinism,
        "citations": model.citations,
        "extra": model.extra,
        "autonomous": model.autonomous,
        **model.meshes,
        **layout.made(),
        **_defaults(model, layout.renamed),
    }
    return type(f"{model.__name__}Farm", (_Farm,), body)


def _hints(model: type[ms.ScaleModel], renamed: Mapping[str, str]) -> dict[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {renamed.get(name, name): hints[name] for name in model.settings()}


def _defaults(model: type[ms.ScaleModel], renamed: Mapping[str, str]) -> dict[str, Any]:
    settings = model.settings().values()
    return {renamed.get(s.name, s.name): s.default for s in settings if not s.required}


def _state_of(layout: "Layout") -> type[ms.State]:
    """Return the State of a farm: the answers of a call, and what its members remember."""
    hints: dict[str, Any] = {
        "now": float,  # s
        "member": Array,  # (n,) ids in the order of the jobs
        "provenance": Array,  # (n,)
        "err": Array,  # (n,)
        "committed_ids": Array,  # of batched members, whose States are stacked under 0
        "committed": Mapping[int, Any],  # States that the present window began with, by member
        "trial_ids": Array,
        "trial": Mapping[int, Any],  # States after the last call
        "window": Any,
        "iteration": int,
    }
    hints |= {_attribute(c.name): Any for c in layout.answers}
    body = {"__annotations__": hints, "__module__": __name__, "__qualname__": "FarmState"}
    return type("FarmState", (ms.State,), body)


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer no model of its own: a farm is made for each."""
    return []
