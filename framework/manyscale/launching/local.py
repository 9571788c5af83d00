"""Starts `muscle_manager` on this machine or in a job, watches it, and says how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from manyscale.hosting import telemetry
from manyscale.hosting.transport import budget
from manyscale.hosting.transport import layers as transport
from manyscale.launching import guarding, logs, runs, snapshots
from manyscale.launching.causes import root_cause
from manyscale.launching.logs import tail
from manyscale.launching.outcome import DiskFull, Failed, Unguarded
from manyscale.launching.run_dir import OUTPUT, instance_folders
from manyscale.launching.stopping import Regularly, Stop
from manyscale.launching.supervise import Ending, Tree, signals_unwind
from manyscale.launching.watchdog import Limits, Watchdog, refuse_full

LOOPBACK, HOSTNAME = "127.0.0.1", "hostname"
_PRUNING = 2.0  # s between two tidyings
_FULL = ("No space left on device", "Disk quota exceeded")


def command(files: Sequence[Path], run: Path) -> list[str]:
    """Return the plain MUSCLE3 command that this launch amounts to."""
    manager = [sys.executable, "-m", "muscle3.muscle_manager", "--start-all"]
    return [*manager, "--run-dir", str(run), *map(str, files)]


def launch(
    files: Sequence[Path],
    run: Path,
    *,
    time_limit: float | None = None,
    limits: Limits | None = None,
    foreign: Collection[str] = (),
    environment: Collection[str] = (),
    address: str = "",
    checkpoint_every: float | None = None,
    messages: str = "",
    instances: int = 0,
    watch: Callable[[], None] | None = None,
) -> None:
    """Run a coupling to its end in the existing directory `run`.

    `watch` is called several times a second; `time_limit` is in s of wall time. Components
    named in `foreign` may come without the guard; `environment` names variables that the
    components see besides the usual ones; `address` is what everybody listens on, an IP address
    or `interface:NAME`; where the spec has `checkpoints:`, snapshots are asked for whenever
    `checkpoint_every` s of wall time have passed. `messages` names the layers of the fast path
    (`manyscale.hosting.transport.layers`), all of them unless told here or by the environment;
    `instances` share the memory that messages may take. Raises `Refused`, most often one of the
    kinds in `manyscale.launching.outcome`, with the one root cause if the coupling does not
    succeed.
    """
    run = run.resolve()  # children and `manyscale clean` work in other folders
    limits = limits or Limits(total=time_limit)
    transport.asked(messages)
    refuse_full(run, limits.free)
    told = runs.begin(run, list(files))
    stop = Stop(run)
    ending: BaseException | None = None
    try:
        with signals_unwind(stop.ask) as signals, _secret(run) as secret:
            seen = guarding.environment(
                secret,
                run,
                address=address or _own_address(),
                foreign=[*foreign],
                keep=[*environment],
            )
            seen |= _for_messages(messages, instances)
            manager = command(files, run)
            with Tree(manager, run, run / OUTPUT, seen, secret.descriptors) as tree:
                looks = _looks(run, limits, tree, watch)
                if checkpoint_every is not None:
                    looks.append(Regularly(run, checkpoint_every).look)
                ended = tree.wait([signals, *looks, stop.look])
            if ended.told is not None:
                signals()  # whoever told the keeper told us as well
            _refuse_unsuccessful(run, ended)
    except BaseException as exc:
        ending = exc
        raise
    finally:
        runs.end(run, told, ending, stop.snapshot)


def _for_messages(layers: str, instances: int) -> dict[str, str]:
    """Return what instances are told about how messages travel."""
    told = {transport.VARIABLE: layers} if layers else {}
    if instances:
        told[budget.VARIABLE] = str(budget.of_each(instances))
    return told


def _looks(
    run: Path,
    limits: Limits,
    tree: Tree,
    watch: Callable[[], None] | None,
) -> list[Callable[[], None]]:
    """Return what to look at several times a second."""
    tidied = time.monotonic()

    def tidy() -> None:
        nonlocal tidied
        if time.monotonic() > tidied + _PRUNING:
            tidied = time.monotonic()
            with contextlib.suppress(OSError):  # tidying must not end a run
                snapshots.prune(run)
                logs.bound(run)

    unguarded = partial(_refuse_unguarded, run)
    looks = [watch, unguarded, Watchdog(run, limits, tree.family).look, tidy]
    return [look for look in looks if look is not None]


@contextlib.contextmanager
def _secret(run: Path) -> Iterator[guarding.Secret]:
    """Make what proves that a process belongs to the run; it ends with the run."""
    secret = guarding.make_secret(run, shared="SLURM_JOB_ID" in os.environ)
    try:
        yield secret
    finally:
        secret.discard()


def _own_address() -> str:
    """Return what to listen on unless told: the loopback as long as there is one host."""
    alone = os.environ.get("SLURM_JOB_NUM_NODES", "1") == "1"
    return LOOPBACK if alone else HOSTNAME


def _refuse_unguarded(run: Path) -> None:
    for refusal in guarding.refusals(run):
        if refusal.fatal:
            raise Unguarded(f"{run.name}: {refusal.sentence()}")


def strangers(run: Path) -> list[str]:
    """Return a sentence about everybody who was refused and is none of the run's."""
    return [r.sentence() for r in guarding.refusals(run) if not r.ours]


def _refuse_unsuccessful(run: Path, ended: Ending) -> None:
    """Refuse to call it a success without the last word of everybody."""
    _refuse_unguarded(run)
    said = tail(run / OUTPUT)
    if any(word in said for word in _FULL):
        raise DiskFull(f"{run.name}: the disk was full; {run} may lack what was written last.")
    if ended.keeper_died:
        raise Failed(f"{run.name}: the process that kept all others was killed, and they ended.")
    if ended.told is not None:
        name = signal.Signals(ended.told).name
        raise Failed(
            f"{run.name}: the process that kept all others was told {name} and ended them."
        )
    if ended.code is not None and ended.code < 0:
        name = signal.Signals(-ended.code).name
        raise Failed(f"{run.name}: muscle_manager was ended by {name}, and everything below it.")
    if ended.code != 0:
        raise Failed(root_cause(run))
    for name, folder in instance_folders(run).items():
        standing = telemetry.read(folder)  # None: a program of another make
        if standing is not None and standing.phase != telemetry.DONE:
            raise Failed(
                f"{run.name}: the manager reports success, but {name} did not finish;"
                f" see {folder.parent}."
            )
    if ended.left:
        raise Failed(f"{run.name}: these processes cannot be ended: {', '.join(ended.left)}.")
