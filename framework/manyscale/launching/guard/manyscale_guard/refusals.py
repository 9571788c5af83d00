"""What was refused, one JSON object a line in the run directory, for whoever watches the run."""

from __future__ import annotations

import itertools
import json
import os
import socket
import time
from typing import Any, NoReturn

from manyscale_guard import addresses, peers, settings
from manyscale_guard.peers import NOBODY, Peer

_MOST = 500  # lines of one process: strangers must not fill a disk
_NAMED = 100  # of them with a look into /proc

OWN_LOCATIONS: set[str] = set()
"""Where the servers of this process listen: what its instances are told is one of them."""
_numbers = itertools.count()
_looks = itertools.count()


def identify(sock: socket.socket) -> Peer:
    """Return who is at the other end, as long as there were not too many to look up."""
    return peers.at(sock) if next(_looks) < _NAMED else NOBODY


def note(
    reason: str,
    detail: str = "",
    sock: socket.socket | None = None,
    peer: Peer = NOBODY,
    *,
    ours: bool = False,
) -> None:
    """Note that somebody was refused; never fail because of it.

    `ours` says that it is one of the run's own processes, beside what `peer` tells.
    """
    number = next(_numbers)
    if number > _MOST or not settings.RUN:
        return
    if number == _MOST:
        reason, detail = "many", f"{_MOST} were noted, more are not"
    record = _record(reason, detail, sock, peer)
    record["ours"] = ours or _is_ours(peer)
    line = json.dumps(record) + "\n"
    path = os.path.join(settings.RUN, f"guard.{socket.gethostname()}.jsonl")
    try:
        # one write of a whole line: lines of several processes do not mix
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        os.write(opened, line.encode())
        os.close(opened)
    except OSError:
        pass


def end(reason: str, sentence: str) -> NoReturn:
    """Note why this process cannot take part in its run, and end it."""
    note(reason, sentence, peer=NOBODY._replace(instance=_instance()), ours=True)
    raise SystemExit(f"manyscale guard: {sentence}")


def _instance() -> str:
    return os.environ.get("MUSCLE_INSTANCE", "")


def _record(reason: str, detail: str, sock: socket.socket | None, peer: Peer) -> dict[str, Any]:
    return {
        "time": time.time(),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "listener": _instance(),
        "reason": reason,
        "detail": detail,
        "address": _far(sock),
        **peer._asdict(),
    }


def _is_ours(peer: Peer) -> bool:
    """Return whether an instance of this very run is refused, rather than a stranger."""
    if not peer.instance:
        return False
    return peer.manager in (os.environ.get("MUSCLE_MANAGER"), *OWN_LOCATIONS)


def _far(sock: socket.socket | None) -> str:
    try:
        return "" if sock is None else addresses.written(sock.getpeername())
    except OSError:
        return ""
