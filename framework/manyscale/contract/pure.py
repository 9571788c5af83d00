"""A micro model from one typed function: fields in, fields out, no state of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, get_args, get_type_hints

from manyscale.contract.fields import Field
from manyscale.contract.messages import Clock, Messages, Received, Start
from manyscale.contract.model import Citation, ScaleModel
from manyscale.contract.ports import F_INIT, O_F
from manyscale.contract.scales import Scales
from manyscale.contract.state import State


def pure(
    *,
    version: str = "1",
    citations: tuple[Citation, ...] = (),
    scales: Scales | None = None,
    batched: bool = False,
    **outputs: Field,
) -> Callable[[Callable[..., Any]], type[ScaleModel]]:
    """Make an F_INIT -> O_F scale model of a function.

    Positional parameters `Annotated[float, Field(...)]` are the fields of the port `given`,
    keyword-only parameters are settings, `outputs` the fields of the port `found`. The
    function returns a mapping of outputs, or the bare value of a single one. It must be pure.
    `batched`: it also takes arrays with a leading member axis in place of each field.

    >>> @pure(conductivity=Field("thermal_conductivity", "W/(m K)"))
    ... def power_law(
    ...     temperature: Annotated[float, Field("temperature", "K")],
    ...     *,
    ...     exponent: Annotated[float, "1", "of the power law"] = -1.3,
    ... ):
    ...     "k = 148 (T / 300 K)**n."
    ...     return 148.0 * (temperature / 300.0) ** exponent
    >>> power_law(exponent=-1.0).settings()["exponent"].default
    -1.3
    """

    def make(function: Callable[..., Any]) -> type[ScaleModel]:
        hints = get_type_hints(function, include_extras=True)
        given: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        fields: dict[str, Any] = dict(outputs)
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                settings[name] = (hints[name], parameter.default)
            else:
                given[name] = next(x for x in get_args(hints[name]) if isinstance(x, Field))
        body: dict[str, Any] = {
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,  # the name a host finds it by
            "__annotations__": {name: hint for name, (hint, _) in settings.items()},
            "name": function.__name__,
            "version": version,
            "citations": citations,
            "batched": batched,
            "given": F_INIT(**given),
            "found": O_F(**fields),
            "function": staticmethod(function),
            "reach": scales or Scales(),
            "State": _state_of(function, outputs),
        }
        body |= {n: d for n, (_, d) in settings.items() if d is not inspect.Parameter.empty}
        title = "".join(part.title() for part in function.__name__.split("_"))
        return type(title, (_Pure,), body)

    return make


def _state_of(function: Callable[..., Any], outputs: Mapping[str, Field]) -> type[State]:
    """Return a State of the time of the call and the values of the function."""
    hints = {"time": float, **dict.fromkeys(outputs, Any)}
    body = {"__annotations__": hints, "__module__": function.__module__}
    return type(f"{function.__name__}_answer", (State,), body)


class _Pure(ScaleModel):
    """Calls its function once per pass."""

    autonomous: ClassVar[bool] = True
    function: ClassVar[Callable[..., Any]]
    reach: ClassVar[Scales] = Scales()

    def f_init(self, start: Start, received: Received) -> Any:
        """Call the function with the fields that arrived and the settings."""
        settings = {name: getattr(self, name) for name in self.settings()}
        result = type(self).function(**received.given.fields, **settings)
        outputs = self.ports["found"].fields
        if not isinstance(result, dict):
            result = {next(iter(outputs)): result}
        return self.State(time=start.time, **result)

    def clock(self, state: Any) -> Clock:
        """Stamp the answer with the time of the question."""
        return Clock(state.time)

    def o_f(self, state: Any) -> Messages:
        """Return the function's values."""
        return {"found": {name: getattr(state, name) for name in self.ports["found"].fields}}

    def scales(self) -> Scales:
        """Return the scales the function was declared with."""
        return self.reach
