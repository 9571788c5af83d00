"""How agents and instances are started: with the secret, and never to be left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from manyscale_guard import connections, nursery, processes, refusals, settings
from manyscale_guard.peers import NOBODY
from manyscale_guard.relay import Relay
from manyscale_guard.secret import descriptors

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that has to be on the path of every Python of the run."""
NOT_STARTED = 78
"""Exit code in place of an instance that would have come without the guard."""
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of whatever loses its own below this process."""
    _control(_SUBREAPER, 1)


def dies_with(parent: int, number: int = signal.SIGKILL) -> Callable[[], None]:
    """Return what a child calls to be sent a signal when the thread that started it is gone."""
    control = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def die() -> None:
        if control is not None:
            control(_DEATH_SIGNAL, number, 0, 0, 0)
            if os.getppid() != parent:  # it went before we asked
                os._exit(1)

    return die


def guard_agent_manager(module: Any) -> None:
    """Hand the secret to the agent, and let nobody below outlive the manager."""
    manager = module.AgentManager
    begin = manager.__init__

    def begin_below(self: Any, agent_dir: Any) -> None:
        import multiprocessing

        above = multiprocessing.parent_process()
        if above is not None and above.pid == os.getppid():
            dies_with(os.getppid())()
        begin(self, agent_dir)

    manager.__init__ = begin_below
    module.Popen = start_agent


def start_agent(args: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start an agent, or the launcher that starts one on every node."""
    # a launcher has to be asked, so that it ends what runs on other nodes
    number = signal.SIGKILL if args[0] == sys.executable else signal.SIGTERM
    return subprocess.Popen(
        args, pass_fds=descriptors(), preexec_fn=dies_with(os.getpid(), number), **options
    )


def start_instance(
    args: list[str], env: Mapping[str, str], **options: Any
) -> subprocess.Popen[bytes] | nursery.Born:
    """Start an instance that ends with its agent, or let a nursery bear it."""
    return nursery.ordered(_start, args, env, options) or _start(args, env, (), **options)


def _start(
    args: list[str], env: Mapping[str, str], passed: tuple[int, ...], **options: Any
) -> subprocess.Popen[bytes]:
    """Start what ends with this process; it gets the secret only if it is guarded."""
    secret = descriptors() if "MANYSCALE_GUARD" in env else ()
    return subprocess.Popen(
        args, env=env, pass_fds=(*secret, *passed), preexec_fn=dies_with(os.getpid()), **options
    )


def guard_process_manager(module: Any) -> None:
    """Start guarded instances guarded, foreign ones behind a relay, and no others."""
    manager = module.ProcessManager
    start, cancel_all, get_finished = manager.start, manager.cancel_all, manager.get_finished
    relays: dict[str, Relay] = {}

    def start_guarded(
        self: Any, name: str, work_dir: Any, args: Any, env: Any, stdout: Any, stderr: Any
    ) -> None:
        if settings.is_foreign(name):
            relays[name] = Relay(name, env.get("MUSCLE_MANAGER", ""))
            env = {**without_guard(env), "MUSCLE_MANAGER": relays[name].location}
        elif "MANYSCALE_GUARD" in env:
            env = with_guard(env)
        else:
            args = _stand_in(name)
        start(self, name, work_dir, args, env, stdout, stderr)
        if name in relays:
            relays[name].serve(self._processes[name].pid)

    def cancel_trees(self: Any) -> None:
        below = processes.descendants(os.getpid())
        cancel_all(self)
        for pid in below:
            tell(pid, signal.SIGKILL)

    def close_relays(self: Any) -> Any:
        finished = get_finished(self)
        for name, _ in finished:
            if name in relays:
                relays.pop(name).close()
        return finished

    manager.start = start_guarded
    manager.cancel_all = cancel_trees
    manager.get_finished = close_relays
    module.Popen = start_instance


def with_guard(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python finds the guard first, whatever a program added."""
    path = [place for place in env.get("PYTHONPATH", "").split(os.pathsep) if place != HERE]
    return {**env, "PYTHONPATH": os.pathsep.join([HERE, *filter(None, path)])}


def without_guard(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that says nothing of the guard."""
    path = [place for place in env.get("PYTHONPATH", "").split(os.pathsep) if place != HERE]
    kept = {name: value for name, value in env.items() if not name.startswith("MANYSCALE_GUARD")}
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = os.pathsep.join(path)
    return kept


def _stand_in(name: str) -> list[str]:
    """Return a command that says why an instance was not started."""
    peer = NOBODY._replace(instance=name)
    refusals.note("environment", "it was not started", peer=peer, ours=True)
    sentence = connections.unguarded(name)
    return ["/bin/sh", "-c", f'echo "$0" >&2; exit {NOT_STARTED}', sentence]


def tell(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
