"""Host many members of a model in one component: one message carries the jobs of all of them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_type_hints

import numpy as np

import manyscale as ms
from manyscale import Clock, Ge, Gt, Le, Lt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.farm.course import Course
    from manyscale.bridges.farm.team import Team


class _Workers(ms.Engine):
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
        self.team.load_costs(path)

    def standing(self) -> Mapping[str, Any]:
        """Return how the calls went."""
        return self.team.standing.shown()

    def close(self) -> None:
        """End the workers."""
        self.team.close()


class _Farm(ms.ScaleModel):
    """What farms of all models have in common; `farm` makes one for a model."""

    hosted: ClassVar[type[ms.ScaleModel]]
    layout: ClassVar[Any]
    keeps_state: ClassVar[bool] = True
    owns_windows: ClassVar[bool] = True
    Engine: ClassVar[Any] = _Workers
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
    on_failure: Annotated[
        Literal["stop", "retry", "interpolate"], "1", "what is done about a member that fails"
    ] = "stop"
    retries: Annotated[int, "1", "how often a member that failed is tried again", Ge(0)] = 1
    failure_limit: Annotated[
        float, "1", "part of the members of a call that may be interpolated", Ge(0), Lt(1)
    ] = 0.05
    time_limit: Annotated[float, "s", "wall time a member may take on a process; 0: any", Ge(0)] = (
        0.0
    )
    fidelities: Annotated[
        str, "1", "settings of fidelity 1, 2, ...: `ncell=50 tol=0.1; ncell=400`"
    ] = ""
    cache: Annotated[Literal["off", "on"], "1", "whether answers are kept for equal inputs"] = "off"
    cache_file: Annotated[str, "1", "file that keeps them between runs; empty: memory only"] = ""
    cache_bytes: Annotated[int, "1", "bytes the cache may hold", Ge(1)] = 268_435_456
    cache_step: Annotated[
        str, "1", "inputs are rounded, for all who compute: `temperature 0.1 K; x 1e-9`"
    ] = ""
    ignore_time: Annotated[
        bool, "1", "answers do not depend on the time of the call, whatever the model says"
    ] = False
    adaptivity: Annotated[
        Literal["off", "present", "vectors", "pairs"],
        "1",
        "whether members alike in their inputs (or in their history, as vectors or by all pairs)"
        " copy one another",
    ] = "off"
    Cr: Annotated[float, "1", "copy within so many parts of the largest distance", Ge(0), Le(1)] = (
        0.1
    )
    Cc: Annotated[float, "1", "stop computing within so many parts of that", Ge(0), Le(1)] = 0.5
    Lambda: Annotated[float, "1/s", "rate at which history is forgotten", Ge(0)] = 0.0
    adaptivity_tol: Annotated[float, "1", "distance within which members copy; 0: by Cr", Ge(0)] = (
        0.0
    )
    lipschitz: Annotated[
        float, "1", "change of scaled answers per scaled distance; 0: estimated", Ge(0)
    ] = 0.0
    input_scale: Annotated[str, "1", "what counts as one in a distance: `strain 1e-3`"] = ""
    output_scale: Annotated[str, "1", "what counts as one in an error: `stress 1 MPa`"] = ""
    surrogate: Annotated[
        Literal["off", "on"], "1", "whether a Gaussian process answers where it is sure"
    ] = "off"
    sur_tol: Annotated[float, "1", "error of scaled answers it is allowed", Ge(0)] = 0.0
    recheck: Annotated[float, "1", "part of its answers that are computed too", Ge(0), Le(1)] = 0.02
    sur_points: Annotated[int, "1", "points it learns from at most", Ge(4), Le(2000)] = 400
    sur_batch: Annotated[int, "1", "points computed at once before it looks again", Ge(1)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.members()
        self.scales_of_inputs()
        self.scales_of_answers()
        self.cache_steps()
        self._refuse_shortcuts()

    def _refuse_shortcuts(self) -> None:
        name, keeps = self.hosted.name, self.hosted.keeps_state
        for word in ("cache", "surrogate"):
            if keeps and getattr(self, word) == "on":
                raise ms.Refused(
                    f"{self.name}.{word} is on, but {name} keeps its state between calls, so equal"
                    f" inputs have other answers; set {word} to off."
                )
        if self.surrogate == "on" and self.sur_tol == 0.0:
            raise ms.Refused(f"{self.name}.surrogate is on; give sur_tol, the error it may make.")
        if self.surrogate == "on" and not self.timeless:
            raise ms.Refused(
                f"{self.name}.surrogate is on, but {name} does not say that its answers are the"
                " same at all times (autonomous); set ignore_time to true if they are."
            )
        if self.fidelities and keeps:
            raise ms.Refused(
                f"{self.name}.fidelities: {name} keeps its state between calls, which one fidelity"
                " cannot take over from another; leave it out."
            )

    @property
    def timeless(self) -> bool:
        """Whether answers do not depend on the time of the call."""
        return self.ignore_time or self.hosted.autonomous

    def members(self) -> list[ms.ScaleModel]:
        """Return the hosted model with its settings, once per fidelity."""
        from manyscale.bridges.farm.fidelity import levels

        renamed = self.layout.renamed
        values = {name: getattr(self, renamed.get(name, name)) for name in self.hosted.settings()}
        return levels(self.hosted, values, self.fidelities, f"{self.name}.fidelities")

    def scales_of_inputs(self) -> dict[str, float]:
        """Return what counts as one of every input that is named."""
        from manyscale.bridges.farm.scaling import amounts

        return amounts(self.input_scale, self.layout.inputs, f"{self.name}.input_scale")

    def scales_of_answers(self) -> dict[str, float]:
        """Return what counts as one of every answer that is named."""
        from manyscale.bridges.farm.scaling import amounts

        return amounts(self.output_scale, self.layout.answers, f"{self.name}.output_scale")

    def cache_steps(self) -> dict[str, float]:
        """Return the steps that inputs are rounded to."""
        from manyscale.bridges.farm.scaling import amounts

        return amounts(self.cache_step, self.layout.inputs, f"{self.name}.cache_step")

    def f_init(self, start: ms.Start, received: ms.Received) -> Any:
        """Take the jobs, and let the workers do them."""
        from manyscale.bridges.farm import flight

        if not self.ranks.root:
            return flight.elsewhere(self, self.engine.team.serve())
        course = flight.begun(self, start, received)
        team = self.engine.team
        team.begin(course.outside)
        while len(course.work.todo) and not course.outside:
            course.advance(team.compute(course.work))
        return self._landed(course)

    def _landed(self, course: "Course") -> Any:
        """Return the State after a step of a call: with all answers, or waiting for some."""
        from manyscale.bridges.farm import flight

        if len(course.work.todo):
            return flight.landed(course, waits=True)
        course.finish()
        self.engine.team.end(course.work)
        return flight.landed(course)

    def clock(self, state: Any) -> Clock:
        """Answer at the newest time of the members; waiting for workers takes no time."""
        return Clock(state.now, state.now, state.now) if state.flight else Clock(state.now)

    def o_i(self, state: Any) -> ms.Messages:
        """Tell every worker component what to do."""
        from manyscale.bridges.farm import flight

        if not state.flight:
            return {}
        course = flight.resumed(self, state)
        return {"work_out": self.engine.team.orders(course.work, course.outside)}

    def s(self, state: Any, received: ms.Received) -> Any:
        """Take what the worker components have done."""
        from manyscale.bridges.farm import flight

        course = flight.resumed(self, state)
        course.advance(self.engine.team.told(course.work, received.work_in))
        return self._landed(course)

    def o_f(self, state: Any) -> ms.Messages:
        """Return the answers in the order of the jobs."""
        from manyscale.bridges.farm import flight

        return flight.answers(self.layout, state)

    def scales(self) -> ms.Scales:
        """Return the scales of a member."""
        return self.members()[0].scales()

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
        return testing.Example(
            settings,
            {"jobs_in": jobs},
            unconnected=frozenset([*cls.layout.held(), "work_out", "work_in"]),
        )


class _Station(ms.Engine):
    """The model that a worker component hosts, with the settings its farm told of."""

    station: Any

    def open(self, model: Any) -> None:
        """Make ready for the first jobs."""
        from manyscale.bridges.farm.serving import Station

        self.station = Station(model.layout)

    def save(self, path: Any) -> None:
        """Write a file: there is nothing to remember."""
        path.write_bytes(b"")

    def load(self, path: Any) -> None:
        """Remember nothing."""

    def close(self) -> None:
        """Release the hosted model's engine."""
        self.station.close()


class _Worker(ms.ScaleModel):
    """What workers for all models have in common; `worker` makes one for a model."""

    hosted: ClassVar[type[ms.ScaleModel]]
    layout: ClassVar[Any]
    Engine: ClassVar[Any] = _Station

    class State(ms.State):
        """What is told of one message of jobs."""

        time: float  # s
        report: bytes

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Do the jobs."""
        from manyscale.bridges.farm import wire

        report = self.engine.station.report(received)
        return self.State(time=start.time, report=wire.sealed_columns(report))

    def clock(self, state: State) -> Clock:
        """Answer at the time of the question."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Tell what was done."""
        from manyscale.bridges.farm import wire

        return {"results_out": wire.opened_columns(state.report)}

    def scales(self) -> ms.Scales:
        """Return an instant: what it does has scales of its own."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))


_OWN = frozenset(_Farm.settings())


@cache
def farm(model: type[ms.ScaleModel]) -> type[ms.ScaleModel]:
    """Return a farm of members of a model.

    Raises `Refused` for a model that cannot be a member: one that owns its loop, needs a peer
    during its pass, or has ports with slots or any fields.
    """
    from manyscale.bridges.farm import flight, layout

    made = layout.layout(model, _OWN)
    title = (model.__doc__ or "").strip().partition("\n")[0]
    body: dict[str, Any] = {
        "__doc__": f"Many members: {title}",
        "__module__": __name__,
        "__qualname__": f"farm@{model.__module__}:{model.__qualname__}",
        "__annotations__": _hints(model, made.renamed),
        "name": f"{model.name}_farm",
        "hosted": model,
        "layout": made,
        "Member": model.State,
        "State": flight.state_of(made),
        "version": model.version,
        "state_version": model.state_version,
        "determinism": model.determinism,
        "citations": model.citations,
        "extra": model.extra,
        "autonomous": model.autonomous,
        "capabilities": replace(model.capabilities, parallel="mpi"),
        **model.meshes,
        **made.made(),
        **_defaults(model, made.renamed),
    }
    return type(f"{model.__name__}Farm", (_Farm,), body)


@cache
def worker(model: type[ms.ScaleModel]) -> type[ms.ScaleModel]:
    """Return a worker for farms of a model: a component with `multiplicity`, one per slot.

    Raises `Refused` for a model that cannot be a member of a farm.
    """
    from manyscale.bridges.farm import layout

    made = layout.layout(model, _OWN)
    title = (model.__doc__ or "").strip().partition("\n")[0]
    body: dict[str, Any] = {
        "__doc__": f"Work for a farm: {title}",
        "__module__": __name__,
        "__qualname__": f"worker@{model.__module__}:{model.__qualname__}",
        "name": f"{model.name}_worker",
        "hosted": model,
        "layout": made,
        "version": model.version,
        "determinism": model.determinism,
        "citations": model.citations,
        "extra": model.extra,
        **model.meshes,
        **made.of_worker(),
    }
    return type(f"{model.__name__}Worker", (_Worker,), body)


def _hints(model: type[ms.ScaleModel], renamed: Mapping[str, str]) -> dict[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {renamed.get(name, name): hints[name] for name in model.settings()}


def _defaults(model: type[ms.ScaleModel], renamed: Mapping[str, str]) -> dict[str, Any]:
    settings = model.settings().values()
    return {renamed.get(s.name, s.name): s.default for s in settings if not s.required}


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer no model of its own: a farm is made for each."""
    return []


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer what can be checked of couplings with farms."""
    from manyscale.bridges.farm.checks import members_get_what_they_need

    return [members_get_what_they_need]
