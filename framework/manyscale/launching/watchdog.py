"""What ends a run that does not end by itself: late starts, hanging components, a full disk."""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from manyscale.contract.refusal import Refused, nearest
from manyscale.hosting import telemetry
from manyscale.hosting.telemetry import DONE, FAILED, Standing
from manyscale.launching.keeper import Family
from manyscale.launching.logs import tail
from manyscale.launching.outcome import DiskFull, Failed, NotStarted, Stalled, TimeUp
from manyscale.launching.run_dir import MANAGER_LOG, instance_folders

_PERIOD = 1.0  # s between two looks
_LOG = 2**24  # bytes of the manager's log to look at
_AGENT = "libmuscle.native_instantiator.agent"
_LAST_WORDS = 10.0  # s a manager may need after its agents have ended
_PLANNED = re.compile(r"instance_manager: Planned (\S+) on")
_REGISTERED = re.compile(r"mmp_server: Registered instance (\S+)")
_DEREGISTERED = re.compile(r"mmp_server: Deregistered instance (\S+)")


@dataclass(frozen=True)
class Limits:
    """How long, in s of wall time, a run may take for what; None: as long as it likes."""

    total: float | None = None
    start: float | None = 600.0
    """Until every component has come up."""
    stall: float | None = 3600.0
    """In one operator of one component, or with nobody moving at all."""
    stalls: Mapping[str, float] = field(default_factory=dict)
    """The same for single components."""
    finish: float | None = 600.0
    """From the last component's end to the manager's."""
    free: float = 1e8
    """Bytes that must be free for the run directory."""

    def stall_of(self, instance: str) -> float | None:
        """Return for how long an instance may be in one operator."""
        return self.stalls.get(instance.partition("[")[0], self.stall)


class Watchdog:
    """Looks at a run now and then, and refuses one that has gone wrong."""

    def __init__(self, run: Path, limits: Limits, family: Callable[[], Family]) -> None:
        self._run, self._limits, self._family = run, limits, family
        self._began = time.monotonic()
        self._next = 0.0
        self._started = False
        self._done_since: float | None = None
        self._agents: set[int] = set()
        self._agents_gone = 0.0
        self._seen: dict[str, tuple[tuple[float, float], float]] = {}

    def look(self) -> None:
        """Raise the reason to end the run, if there is one."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _PERIOD
        total = self._limits.total
        if total is not None and now - self._began > total:
            raise TimeUp(
                f"The run took longer than {total:g} s and was ended: {self._run}."
                f"{stalled(self._run)}"
            )
        refuse_full(self._run, self._limits.free)
        self._refuse_without_agents(now)
        if not self._started:
            self._refuse_late(now)
        else:
            self._refuse_hanging(now)

    def _refuse_without_agents(self, now: float) -> None:
        """Refuse to wait for a manager that waits for agents that were killed."""
        family = self._family()
        if not self._agents:
            self._agents = {pid for pid in family if _AGENT in _command_of(pid)}
        elif not self._agents & family.keys():
            self._agents_gone = self._agents_gone or now
            if now - self._agents_gone > _LAST_WORDS:
                raise Failed(
                    f"{self._run.name}: the agent that starts the components was killed, and the"
                    " run was ended."
                )

    def _refuse_late(self, now: float) -> None:
        log = tail(self._run / MANAGER_LOG, _LOG)
        planned, here = set(_PLANNED.findall(log)), set(_REGISTERED.findall(log))
        self._started = bool(planned) and planned <= here
        limit = self._limits.start
        if not self._started and limit is not None and now - self._began > limit:
            late = ", ".join(sorted(planned - here)) or "the manager"
            raise NotStarted(
                f"{self._run.name}: {late} did not come up within {limit:g} s; see"
                f" {self._run / 'instances'}, or give more with --start-limit."
            )

    def _refuse_hanging(self, now: float) -> None:
        standings = {
            name: told
            for name, folder in instance_folders(self._run).items()
            if (told := telemetry.read(folder)) is not None
        }
        moving = {name: told for name, told in standings.items() if told.phase != DONE}
        idle = {name: self._idle(name, told, now) for name, told in moving.items()}
        if not moving:
            self._refuse_unending(now)
            return
        for name, told in moving.items():
            limit = self._limits.stall_of(name)
            if limit is not None and not told.waits and idle[name] > limit:
                raise Stalled(_hangs(self._run, name, told, limit) + self._asleep())
        limit = self._limits.stall
        if limit is not None and all(t.waits and idle[n] > limit for n, t in moving.items()):
            raise Stalled(
                f"{self._run.name}: nobody moved for {limit:g} s and the run was ended."
                f"{stalled(self._run)}{self._asleep()}"
            )

    def _idle(self, name: str, told: Standing, now: float) -> float:
        """Return for how long a standing has been the same, in s in which this machine was awake.

        The clocks of two nodes may differ, and a machine may sleep or be set another time.
        """
        standing = (told.since, told.updated)
        if name not in self._seen or self._seen[name][0] != standing:
            self._seen[name] = (standing, now)
        return now - self._seen[name][1]

    def _refuse_unending(self, now: float) -> None:
        """Refuse a manager that does not end although all components have."""
        self._done_since = self._done_since or now
        log = tail(self._run / MANAGER_LOG, _LOG)
        silent = sorted(set(_PLANNED.findall(log)) - set(_DEREGISTERED.findall(log)))
        if silent:  # programs of another make may still be at work
            limits = [self._limits.stall_of(name) or math.inf for name in silent]
            if now - self._done_since > max(limits):
                raise Stalled(
                    f"{self._run.name}: {', '.join(silent)} had not ended, and nothing was heard"
                    f" for {max(limits):g} s; give it more with"
                    f" --stall-limit {silent[0].partition('[')[0]}=SECONDS."
                )
            return
        limit = self._limits.finish
        if limit is not None and now - self._done_since > limit:
            raise Stalled(
                f"{self._run.name}: every component finished, but the manager did not end within"
                f" {limit:g} s; the records are whole."
            )

    def _asleep(self) -> str:
        """Return which processes of the run are stopped or cannot be interrupted."""
        odd = {"T": "was stopped by a signal", "D": "is in a system call that does not return"}
        found = [
            f"{name} (process {pid}) {odd[state]}"
            for pid, (state, _, _, name) in self._family().items()
            if state in odd
        ]
        return f" {'; '.join(found)}." if found else ""


def refuse_full(run: Path, least: float) -> None:
    """Refuse to go on without a run directory, or with less than `least` bytes free for it."""
    try:
        free = shutil.disk_usage(run).free
    except OSError as exc:
        raise Failed(f"The run directory {run} cannot be reached: {exc.strerror}.") from None
    if free < least:
        raise DiskFull(
            f"{run} has {free / 1e6:.0f} MB free, a run wants {least / 1e6:.0f} MB; make room, run"
            " elsewhere with --run-dir, or ask for less with --min-free."
        )


def stalled(run: Path) -> str:
    """Return who others wait for: what each unfinished component does, and since when."""
    busy: list[str] = []
    waiting: list[str] = []
    for name, folder in instance_folders(run).items():
        for rank, standing in telemetry.read_ranks(folder).items():
            who = name if rank == 0 else f"{name}, rank {rank},"
            if standing.phase not in (DONE, FAILED):
                what = f"{standing.position} since {standing.idle:.0f} s"
                waits = standing.waits
                (waiting if waits else busy).append(f"{who} is {'' if waits else 'in '}{what}")
    found = busy or waiting
    return f" {'; '.join(found)}." if found else ""


def _hangs(run: Path, name: str, told: Standing, limit: float) -> str:
    return (
        f"{run.name}: {name} is in {told.position} since {told.idle:.0f} s, longer than"
        f" {limit:g} s, and was ended; give it more with"
        f" --stall-limit {name.partition('[')[0]}=SECONDS."
    )


def _command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""


def stall_limits(texts: tuple[str, ...], components: list[str]) -> dict[str, float]:
    """Return what `--stall-limit` options say: seconds for all under '', or by component.

    Raises `Refused` for what is no number of seconds or no component.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        if name and name not in components:
            raise Refused(
                f"--stall-limit {text}: no component is called {name}.{nearest(name, components)}"
            )
        try:
            found[name] = float(value)
        except ValueError:
            raise Refused(f"--stall-limit {text}: {value!r} is no number of seconds.") from None
        if not found[name] > 0.0:
            raise Refused(f"--stall-limit {text}: expected more than 0 s.")
    return found
