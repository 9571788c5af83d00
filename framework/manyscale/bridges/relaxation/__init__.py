"""Finds what two models agree on at the end of a step."""

import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt, Le, Lt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.relaxation.kernel import Memory, Options
    from manyscale.bridges.relaxation.layout import Layout

_ORDERS = {"constant": 0, "linear": 1, "quadratic": 2}
PAIRS = {  # first guess: where it goes, where G(x) comes, where the end goes
    "initial_in": ("x_out", "xt_in", "x_final"),
    "y_initial_in": ("y_out", "yt_in", "y_final"),
}


class Relaxation(ms.ScaleModel):
    """x = G(x) in every window, G: both solvers from the start of the window, with r = G(x) - x.

    fixed: x + omega0 r. aitken: omega from the last two residuals. anderson: least squares over
    the last `max_columns` differences of residuals in the window. iqn_ils: the same with a QR
    filter and the columns of the last `reuse` windows. Owns the iteration and the time of the
    windows; a window has converged where norm(r) <= rtol norm(G(x)) for every field.
    In parallel (the second set of ports connected) x has the fields of both guesses.
    """

    initial_in = ms.F_INIT(like="*")
    y_initial_in = ms.F_INIT(like="*", optional=True)
    x_out = ms.O_I(like="initial_in")
    y_out = ms.O_I(like="y_initial_in")
    xt_in = ms.S(like="*")
    yt_in = ms.S(like="*", optional=True)
    x_final = ms.O_F(like="initial_in")
    y_final = ms.O_F(like="y_initial_in")
    convergence = ms.O_F(
        residual=Field("number", "1", "evaluation"),
        iterations=Field("count", "1", "window", dtype="int64"),
    )

    dt: Annotated[float, "s", "length of a window, as that of both solvers", Gt(0)] = 1.0
    windows: Annotated[int, "1", "number of windows", Ge(1)] = 1
    method: Annotated[
        Literal["iqn_ils", "anderson", "aitken", "fixed"], "1", "how x is accelerated"
    ] = "iqn_ils"
    omega0: Annotated[
        float, "1", "relaxation while nothing is known; all of fixed", Gt(0), Lt(2)
    ] = 0.5
    max_columns: Annotated[int, "1", "differences kept; the depth of anderson", Ge(1)] = 50
    reuse: Annotated[int, "1", "earlier windows whose columns iqn_ils keeps", Ge(0)] = 8
    filter_eps: Annotated[
        float, "1", "iqn_ils drops a column of which less is new", Ge(0), Lt(1)
    ] = 1e-3
    damping: Annotated[float, "1", "of anderson, its first step too; 1: none", Gt(0), Le(1)] = 1.0
    rtol: Annotated[float, "1", "stop at this norm(r) / norm(G(x)) of every field", Gt(0)] = 1e-6
    atol: Annotated[float, "1", "or at this root mean square of r, in the field's unit", Ge(0)] = (
        0.0
    )
    max_iter: Annotated[int, "1", "evaluations per window", Ge(1)] = 100
    max_growth: Annotated[float, "1", "residual over the first of its window, an error", Gt(1)] = (
        1e6
    )
    on_failure: Annotated[
        Literal["error", "accept_with_warning"], "1", "when max_iter is reached"
    ] = "error"
    field_scales: Annotated[
        str, "1", "typical sizes, 'field value; field value'; '': from first residuals"
    ] = ""
    watch: Annotated[
        str, "1", "further fields of xt_in that must settle to rtol too, 'field field'"
    ] = ""
    predict: Annotated[
        Literal["constant", "linear", "quadratic"], "1", "first guess from earlier windows"
    ] = "linear"

    version: ClassVar[str] = "1"
    keeps_state: ClassVar[bool] = True
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "kuttler2008",
            "U. Küttler and W. A. Wall, Fixed-point fluid-structure interaction solvers with "
            "dynamic relaxation, Computational Mechanics 43 (2008) 61",
            "10.1007/s00466-008-0255-5",
        ),
        ms.Citation(
            "degroote2009",
            "J. Degroote, K.-J. Bathe and J. Vierendeels, Performance of a new partitioned "
            "procedure versus a monolithic procedure in fluid-structure interaction, Computers & "
            "Structures 87 (2009) 793",
            "10.1016/j.compstruc.2008.11.013",
        ),
    )

    class State(ms.State):
        """The guess, the accelerator's memory as arrays, and what happened so far."""

        start: float  # s
        done: int  # windows of this pass
        guess: Array  # (n,) active numbers
        values: Array  # (N,) all numbers of the first guess, masked ones too
        active: Array  # (N,) bool
        layout: str
        carried: bytes
        solutions: Array  # (up to 3, n) of the last windows, newest first
        watched: Array  # further fields of the last answer, one after the other
        history: Array  # (evaluation,) largest norm(r) / norm(G(x))
        iterations: Array  # (window,) int64
        window: int  # counted over all passes
        tried: int
        omega: float
        first: Array
        scales: Array
        offsets: Array
        x: Array
        image: Array
        residual: Array
        before: Array
        V_now: Array  # (column, n)
        X_now: Array
        V_past: Array
        X_past: Array
        born: Array
        gram: Array

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take the first guess; windows and columns of an earlier pass go on."""
        from manyscale.bridges.relaxation import kernel, layout

        came = {n: received.ports[n] for n in PAIRS if received.ports[n] is not None}
        try:
            fields, values, active = layout.taken(
                {name: (contact.fields, contact.units) for name, contact in came.items()}
            )
        except ValueError as exc:
            raise ms.Refused(f"relaxation.{exc}.") from None
        _refuse_empty(fields)
        _refuse_unfinished(fields, values, active, "the first guess")
        offsets = layout.offsets(fields, active)
        memory, kept = kernel.begin(offsets), start.kept
        if kept is not None:
            past = kernel.Memory(*(getattr(kept, name) for name in kernel.Memory._fields))
            memory = past if np.array_equal(past.offsets, offsets) else memory
            memory = memory._replace(window=past.window)
        self._options(fields)  # refuses scales of fields that are not there
        return self.State(
            start=start.time,
            done=0,
            guess=values[active],
            values=values,
            active=active,
            layout=fields.text(),
            carried=fields.carried,
            solutions=np.empty((0, int(offsets[-1]))),
            watched=np.empty(0),
            history=np.empty(0),
            iterations=np.empty(0, np.int64),
            **memory._asdict(),
        )

    def clock(self, state: State) -> Clock:
        """Stand still within a window; it is counted over all passes."""
        now = state.start + state.done * self.dt
        if state.done == self.windows:
            return Clock(now)
        return Clock(now, now, now, window=state.window, iteration=state.tried)

    def o_i(self, state: State) -> ms.Messages:
        """Send the guess."""
        shown = self._messages(state, state.guess)
        return {out: shown.get(came, {}) for came, (out, _, _) in PAIRS.items()}

    def s(self, state: State, received: ms.Received) -> State:
        """Take G(x): go on to the next guess, or to the next window."""
        from manyscale.bridges.relaxation import kernel, layout

        fields = layout.read(state.layout, state.carried)
        options = self._options(fields)
        values = _answered(fields, received)
        where = f"the answer of window {state.window}, iteration {state.tried}"
        _refuse_unfinished(fields, values, state.active, where)
        image = values[state.active]
        memory = kernel.evaluated(options, _memory(state), state.guess, image)
        watched, change = self._watched(state, received)
        worst = max(float(kernel.ratios(memory).max(initial=0.0)), change)
        history = np.append(state.history, worst)
        if not self._over(memory, history, change <= self.rtol):
            return state.but(
                **memory._asdict(), guess=kernel.proposed(options, memory), history=history,
                watched=watched,
            )  # fmt: skip
        solutions = np.concatenate((state.guess[None], state.solutions[:2]))
        done = state.done + 1
        guess = state.guess
        if done < self.windows:
            guess = kernel.extrapolated(solutions, _ORDERS[self.predict])
        iterations = np.append(state.iterations, np.int64(memory.tried))
        return state.but(
            **kernel.settled(options, memory)._asdict(),
            done=done,
            guess=guess,
            solutions=solutions,
            watched=watched,
            history=history,
            iterations=iterations,
        )

    def o_f(self, state: State) -> ms.Messages:
        """Give what was agreed on, and how many iterations it took."""
        shown = self._messages(state, state.guess)
        final = {last: shown.get(came, {}) for came, (_, _, last) in PAIRS.items()}
        told = {"residual": state.history, "iterations": state.iterations}
        return {**final, "convergence": told}

    def scales(self) -> ms.Scales:
        """Return a window and all of them."""
        return ms.Scales(time=ms.Scale(self.dt, self.windows * self.dt))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return two solvers in parallel that always answer the same."""
        from manyscale import testing

        wall = {"T": Field("temperature", "K", "x")}
        flux = {"q": Field("heat_flux", "W/m2")}
        fields = {"initial_in": wall, "xt_in": wall, "y_initial_in": flux, "yt_in": flux}
        first: dict[str, dict[str, Any]] = {"initial_in": {"T": np.full(5, 300.0)}}
        first["y_initial_in"] = {"q": 2.0}
        return testing.Example({"windows": 4, "dt": 0.25}, first, fields=fields)

    def _watched(self, state: State, received: ms.Received) -> tuple[Array, float]:
        """Return the watched fields of this answer, and their change since the last one."""
        from manyscale.bridges.relaxation import watched

        try:
            now, ends = watched.gathered(self.watch, "xt_in", received.xt_in.fields)
        except ValueError as exc:
            raise ms.Refused(f"relaxation.{exc}.") from None
        return now, watched.change(state.watched, now, ends)

    def _over(self, memory: "Memory", history: Array, settled: bool = True) -> bool:
        """Return whether the window ends here; refuse one that diverges."""
        from manyscale.bridges.relaxation import kernel

        if settled and kernel.converged(memory, self.rtol, self.atol):
            return True
        if kernel.growth(memory) > self.max_growth:
            raise ms.Refused(
                f"relaxation diverges in window {memory.window}: the residual grew by"
                f" {kernel.growth(memory):.3g} in {memory.tried} evaluations;"
                " choose method iqn_ils, a smaller omega0 or a shorter window."
            )
        if memory.tried < self.max_iter:
            return False
        text = (
            f"relaxation found no agreement in window {memory.window}: norm(r) / norm(G(x)) is"
            f" {history[-1]:.3g} after {memory.tried} evaluations, expected {self.rtol:g},"
            f" {_tale(memory, history)}"
        )
        if self.on_failure == "error":
            raise ms.Refused(
                f"{text}; choose method iqn_ils, a larger max_iter or rtol, or an atol."
            )
        warnings.warn(f"{text}; accepted.", stacklevel=2)
        return True

    def _options(self, fields: "Layout") -> "Options":
        from manyscale.bridges.relaxation import kernel, layout

        try:
            scales = layout.scales_of(fields, self.field_scales)
        except ValueError as exc:
            raise ms.Refused(f"Setting relaxation.field_scales {exc}.") from None
        return kernel.Options(
            self.method, self.omega0, self.max_columns, self.reuse, self.filter_eps,
            self.damping, scales,
        )  # fmt: skip

    def _messages(self, state: State, guess: Array) -> dict[str, dict[str, Any]]:
        from manyscale.bridges.relaxation import layout

        values = np.array(state.values)
        values[state.active] = guess
        return layout.messages(layout.read(state.layout, state.carried), values)


def _memory(state: Relaxation.State) -> "Memory":
    from manyscale.bridges.relaxation import kernel

    return kernel.Memory(*(getattr(state, name) for name in kernel.Memory._fields))


def _answered(fields: "Layout", received: ms.Received) -> Array:
    """Return the answer (N,) in the order and the units of the first guess."""
    from manyscale.bridges.relaxation import layout

    backs = {came: PAIRS[came][1] for came in {part.port for part in fields.parts}}
    for guess, back in backs.items():
        if received.ports[back] is None:
            raise ms.Refused(
                f"relaxation.{back} is not connected, but {guess} is: lead the answer to its"
                " fields there."
            )
    answers = {guess: received.ports[back] for guess, back in backs.items()}
    came = {guess: (answer.fields, answer.units) for guess, answer in answers.items()}
    try:
        return layout.answered(fields, came, backs, _line)
    except ValueError as exc:
        raise ms.Refused(f"relaxation.{exc}.") from None


def _line(have: str, want: str) -> tuple[float, float]:
    """Return slope and offset between units; ValueError where there is no line."""
    from manyscale.contract.units import affine

    try:
        return affine(have, want)
    except ms.Refused as exc:
        raise ValueError(str(exc).rstrip(".")) from None


def _refuse_empty(fields: "Layout") -> None:
    if not fields.relaxed:
        names = sorted(part.name for part in fields.parts)
        raise ms.Refused(
            f"relaxation.initial_in brings {names}, and no float64 field among them to find."
        )


def _refuse_unfinished(fields: "Layout", values: Array, active: Array, where: str) -> None:
    from manyscale.bridges.relaxation import layout

    bad = layout.not_finite(fields, values, active)
    if bad:
        raise ms.Refused(
            f"relaxation: {bad} in {where}; mask such cells with a bool field of that name and"
            f" '{layout.MASK}', or see why the model gave them."
        )


def _tale(memory: "Memory", history: Array) -> str:
    """Return the last residuals of the window in words."""
    last = history[-min(memory.tried, 3) :]
    return "the last were " + ", ".join(f"{one:.3g}" for one in last)


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [Relaxation]


@ms.hookimpl
def manyscale_checks() -> list[ms.Check]:
    """Offer the check of guesses and answers."""
    from manyscale.bridges.relaxation import checks

    return [checks.answers_like_guesses]
