"""What every command that launches a coupling takes: limits, admissions, and how to answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from manyscale.contract.refusal import Refused, nearest
from manyscale.launching.watchdog import Limits, stall_limits

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Seconds(click.ParamType[float]):
    """A positive, finite number of seconds."""

    name = "seconds"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number; refuse what is none."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number > 0.0):
            self.fail(f"{value} is no positive number of seconds.", param, ctx)
        return number


class Megabytes(click.ParamType[float]):
    """A finite number of megabytes, zero included."""

    name = "MB"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number; refuse what is none."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0.0):
            self.fail(f"{value} is no number of megabytes.", param, ctx)
        return number


_OPTIONS = (
    click.option("--run-dir", type=click.Path(path_type=Path), help="A new directory for the run."),
    click.option("--time-limit", type=Seconds(), help="End the run after so much wall time."),
    click.option(
        "--start-limit",
        type=Seconds(),
        default=600.0,
        show_default=True,
        help="Wall time until every component must have come up.",
    ),
    click.option(
        "--stall-limit",
        "stalls",
        multiple=True,
        metavar="[COMPONENT=]SECONDS",
        help="Wall time a component may spend in one operator, 3600 unless told.",
    ),
    click.option(
        "--min-free",
        type=Megabytes(),
        default=100.0,
        show_default=True,
        help="Megabytes that must stay free where the run directory is.",
    ),
    click.option(
        "--checkpoint-every",
        type=Seconds(),
        help="Save a snapshot whenever so much wall time has passed.",
    ),
    click.option(
        "--foreign",
        multiple=True,
        metavar="COMPONENT",
        help="Admit a component that cannot carry the guard, such as a C++ program.",
    ),
    click.option(
        "--env",
        "environment",
        multiple=True,
        metavar="NAME",
        help="Pass this environment variable on to the components.",
    ),
    click.option(
        "--address",
        default="",
        help="What to listen on: an IP address or interface:NAME. On one host the loopback.",
    ),
    click.option(
        "--messages",
        default="",
        metavar="LAYERS",
        help="How messages travel on one host: fast, stock, or some of payload,ring,spin,lean.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object."),
)


def launch_options(command: _Command) -> _Command:
    """Give a command the options of a launch."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class LaunchOptions:
    """The options of one launch, as they were given."""

    run_dir: Path | None
    time_limit: float | None
    start_limit: float
    stalls: tuple[str, ...]
    min_free: float
    checkpoint_every: float | None
    foreign: tuple[str, ...]
    environment: tuple[str, ...]
    address: str
    as_json: bool
    messages: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> LaunchOptions:
        """Return options as a command line, or JSON, gives them."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
        return cls(**known)

    def limits(self, components: Sequence[str]) -> Limits:
        """Return the limits; refuse those of components that do not exist."""
        stalls = stall_limits(self.stalls, list(components))
        return Limits(
            total=self.time_limit,
            start=self.start_limit,
            stall=stalls.pop("", 3600.0),
            stalls=stalls,
            free=self.min_free * 1e6,
        )

    def refuse_unknown_layers(self) -> None:
        """Refuse layers of messages that there are not, of the option or of the environment."""
        from manyscale.hosting.transport.layers import asked

        asked(self.messages)

    def refuse_unknown_foreign(self, components: Sequence[str]) -> None:
        """Refuse to admit a component that the coupling does not have."""
        for name in self.foreign:
            if name not in components:
                raise Refused(
                    f"--foreign {name}: no component is called {name}.{nearest(name, components)}"
                )
