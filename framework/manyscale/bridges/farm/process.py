"""A worker process of a farm: reads tasks from standard input and answers until it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from typing import Any, BinaryIO

from manyscale.bridges.farm import wire
from manyscale.bridges.farm.layout import layout
from manyscale.bridges.farm.members import Crew
from manyscale.contract.messages import Contact
from manyscale.contract.refusal import Refused
from manyscale.registry.registry import by_reference

_PR_SET_PDEATHSIG = 1


def main(parent: int) -> int:
    """Serve the farm whose process id is `parent`; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the farm is told, and ends its workers
    _die_with(parent)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a solver prints is no answer
    requests = sys.stdin.buffer
    first = wire.read_frame(requests)
    if first is None:
        return 0
    try:
        crew = _crew(wire.opened(first))
    except Refused as exc:
        wire.write_frame(answers, wire.sealed({"refused": str(exc)}))
        return 1
    wire.write_frame(answers, wire.sealed(wire.READY))
    try:
        _serve(crew, requests, answers)
    finally:
        crew.close()
    return 0


def _crew(words: dict[str, Any]) -> Crew:
    model = by_reference(words["reference"])
    models = [model.with_settings(settings) for settings in words["settings"]]
    return Crew(models, layout(model, frozenset()))


def _serve(crew: Crew, requests: BinaryIO, answers: BinaryIO) -> None:
    held: dict[str, Contact] = {}
    while (data := wire.read_frame(requests)) is not None:
        words = wire.opened(data)
        if words["held"] is not None:
            held = wire.unpacked_held(words["held"])
        task = wire.unpacked_task(words["task"], crew.layout.model)
        task.held = held
        wire.write_frame(answers, wire.sealed(_answer(crew, task)))


def _answer(crew: Crew, task: Any) -> dict[str, Any]:
    try:
        return wire.packed_outcome(crew.run(task))
    except Refused as exc:
        return {"refused": str(exc)}
    except Exception as exc:
        traceback.print_exc()
        return {"refused": f"{crew.layout.model.name}: {type(exc).__name__}: {exc}"}


def _die_with(parent: int) -> None:
    """Let the system end this process with its parent; it may be gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
