"""What an instance remembers between passes, and all it needs to go on from a mark."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manyscale.contract.messages import Clock
from manyscale.contract.refusal import Refused
from manyscale.hosting.door import Envelope

NO_WINDOW = Envelope()


@dataclass
class Memory:
    """What an instance keeps between passes: a committed and a trial State.

    A growing window commits the trial. A new iteration of a window begins from the committed
    State again; a further pass of the same iteration (a model called several times within
    one) goes on from the trial.
    """

    committed: Any = None
    trial: Any = None
    envelope: Envelope = field(default_factory=Envelope)

    def repeats(self, envelope: Envelope) -> bool:
        """Return whether a pass with this envelope tries a window once more."""
        before = self.envelope
        again = envelope.window is not None and envelope.window == before.window
        return again and envelope.iteration != before.iteration

    def last(self, envelope: Envelope) -> Any:
        """Return the State of the pass before, for a model that owns its windows."""
        self.envelope = envelope
        return self.trial

    def kept(self, envelope: Envelope, instance: str) -> Any:
        """Return the State a pass with this envelope begins with."""
        before, window = self.envelope.window, envelope.window
        self_again = envelope == self.envelope
        self.envelope = envelope
        if window is None or before is None or window > before:
            self.committed = self.trial
        elif window < before:
            raise Refused(f"{instance}: window {window} was asked for after window {before}.")
        elif self_again:
            return self.trial
        return self.committed


class Tries:
    """Counts how often a window was tried, for owners that do not count themselves."""

    def __init__(self, last: Envelope) -> None:
        self.last = last

    def next(self, clock: Clock) -> Envelope:
        """Return what the messages of this turn carry."""
        count = self.last.iteration + 1 if clock.window == self.last.window else 0
        self.last = Envelope(clock.window, count)
        return Envelope(clock.window, count if clock.iteration is None else clock.iteration)


@dataclass(slots=True)
class Progress:
    """All that is needed to go on from a mark, besides the geometry in the plug."""

    state: Any
    """State inside a pass; None between passes."""
    now: float
    memory: Memory
    envelope: Envelope
    """What came with the messages of this pass."""
    tries: Envelope
    """The window this instance tried last and how often, if it owns an iteration."""
    engine: Path | None = None
    """The file its engine was saved to."""
