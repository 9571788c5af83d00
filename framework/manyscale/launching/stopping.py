"""Snapshots on request, and stopping a run at one: every component saves at one moment."""

from __future__ import annotations

import shlex
import signal
import time
from pathlib import Path

import yaml

from manyscale.contract.refusal import Refused
from manyscale.hosting import telemetry
from manyscale.hosting.checkpoint import REQUEST
from manyscale.launching import snapshots
from manyscale.launching.outcome import Failed, Interrupted, Stopped
from manyscale.launching.run_dir import CONFIGURATION, instance_folders

ASKED = "stop_request"  # left in the run directory by whoever asks, on any host
NOW = "now"
_LEAD = 2.0  # s of wall time ahead of the fastest, so that all hear of it before
_AGAIN = 20.0  # s after which a request that somebody missed is made again, with more lead
_MOST_LEAD = 60.0  # s; who seldom looks still finds a moment that nobody has passed
_PATIENCE = 7200.0  # s a run may take to its next whole set: two operators of the longest kind


class Request:
    """Asks the components of a run for one whole set of snapshots."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._before = set(snapshots.sets(run))
        self._lead = _LEAD
        self._seen: tuple[float, float] | None = None  # wall time, fastest simulated time
        self._asked = 0.0

    def look(self) -> Path | None:
        """Go on with the request; return the set once it is whole."""
        for path in reversed(snapshots.sets(self._run)):
            if path not in self._before and snapshots.is_whole(path):
                return path
        if not self._asked or time.monotonic() > self._asked + _AGAIN:
            self._ask()
        return None

    def _ask(self) -> None:
        """Name a moment a little ahead of the fastest component, after seeing how fast it is."""
        times = [
            told.now
            for folder in instance_folders(self._run).values()
            if (told := telemetry.read(folder)) is not None and told.phase == telemetry.RUNNING
        ]
        if not times:
            return  # nobody is up yet
        now, fastest = time.monotonic(), max(times)
        if self._seen is None:
            self._seen = (now, fastest)
        elif now > self._seen[0] + 1.0:
            rate = max(fastest - self._seen[1], 0.0) / (now - self._seen[0])
            new = self._run / f"{REQUEST}.new"
            new.write_text(f"{fastest + rate * self._lead!r}\n")
            new.replace(self._run / REQUEST)
            self._asked, self._seen = now, None
            self._lead = min(2.0 * self._lead, _MOST_LEAD)


class Stop:
    """Whether a run was asked to stop, and how far it has come with it."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._asked = False
        self._request: Request | None = None
        self._since = 0.0
        self.snapshot = ""

    def ask(self) -> None:
        """Ask from within the supervising process; safe in a signal handler."""
        self._asked = True

    def look(self) -> None:
        """Go on with stopping; raise `Stopped` when the snapshot is there."""
        asked = self._run / ASKED
        if not self._asked and not asked.exists():
            return
        self._asked = True
        if asked.exists() and asked.read_text() == NOW:
            raise Interrupted(signal.SIGTERM)
        if self._request is None:
            self._begin()
            return
        if path := self._request.look():
            self.snapshot = str(path)
            raise Stopped(
                f"{self._run.name} stopped at a snapshot; go on with"
                f" `manyscale resume {shlex.quote(str(self._run))}`."
            )
        if time.monotonic() > self._since + _PATIENCE:
            raise Failed(
                f"{self._run.name}: no snapshot came within {_PATIENCE:g} s of the request."
            )

    def _begin(self) -> None:
        if not (self._run / CONFIGURATION).is_file():
            return  # the manager is not up yet
        if not saves(self._run):
            raise Failed(
                f"{self._run.name} was asked to stop at a snapshot, but its spec has no"
                " `checkpoints:`; it was ended without one."
            )
        self._request, self._since = Request(self._run), time.monotonic()


class Regularly:
    """Asks for a set of snapshots whenever so many seconds of wall time have passed."""

    def __init__(self, run: Path, every: float) -> None:
        self._run, self._every = run, every
        self._next = time.monotonic() + every
        self._request: Request | None = None

    def look(self) -> None:
        """Go on with a request, or begin one that is due."""
        if self._request is not None:
            if self._request.look():
                self._request = None
        elif time.monotonic() > self._next:
            self._next = time.monotonic() + self._every
            self._request = Request(self._run)


def saves(run: Path) -> bool:
    """Return whether the components of a run save snapshots when they are asked."""
    try:
        written = yaml.safe_load((run / CONFIGURATION).read_text())
    except (OSError, yaml.YAMLError):
        return False
    return bool(written.get("checkpoints"))


def ask(run: Path, *, now: bool = False) -> None:
    """Ask a run, wherever it is supervised, to stop at a snapshot, or now."""
    begun = (run / CONFIGURATION).is_file()  # before, the supervisor sees to it
    if not now and begun and not saves(run):
        raise Refused(
            f"{run} cannot stop at a snapshot: its spec has no `checkpoints:`; end it with --now."
        )
    new = run / f"{ASKED}.new"
    new.write_text(NOW if now else "")
    new.replace(run / ASKED)
