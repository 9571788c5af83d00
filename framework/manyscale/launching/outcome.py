"""How a command can end: one table of exit codes, and the exceptions that carry them."""

from __future__ import annotations

from manyscale.contract.refusal import Refused


class Failed(Refused):
    """A component or the manager failed."""

    exit_code = 3
    word = "failed"


class OutsideTolerance(Refused):
    """The run is whole, but a figure is outside the tolerance of its reference."""

    exit_code = 4
    word = "outside tolerance"


class TimeUp(Failed):
    """The limit of wall time was reached."""

    exit_code = 5
    word = "time up"


class Stalled(Failed):
    """A component did not move for too long, or the run did not end after its last step."""

    exit_code = 6
    word = "stalled"


class NotStarted(Failed):
    """Not every component was up when the start-up deadline came."""

    exit_code = 7
    word = "not started"


class DiskFull(Failed):
    """There was no room left for the run directory."""

    exit_code = 8
    word = "disk full"


class Unguarded(Failed):
    """One of the run's own processes came without the guard and was refused."""

    exit_code = 9
    word = "unguarded"


class Stopped(Refused):
    """The run was asked to stop and left a snapshot to go on from."""

    exit_code = 75
    word = "stopped"


class Interrupted(Refused):
    """A signal ended the run."""

    word = "interrupted"

    def __init__(self, number: int) -> None:
        super().__init__("interrupted.")
        self.exit_code = 128 + number


EXIT_CODES = {
    0: "done: every component finished, and every figure is within its tolerance",
    1: "refused: something given is wrong or missing; nothing was launched",
    2: "the command line could not be understood",
    **{
        kind.exit_code: (kind.__doc__ or "").rstrip(".").lower()
        for kind in (
            Failed,
            OutsideTolerance,
            TimeUp,
            Stalled,
            NotStarted,
            DiskFull,
            Unguarded,
            Stopped,
        )
    },
    129: "interrupted by HUP",
    130: "interrupted from the keyboard",
    143: "interrupted by TERM",
}
"""Exit codes of `manyscale`, and what they mean."""
