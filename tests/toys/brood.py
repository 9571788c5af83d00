"""One that calls many, and the many: they tell of themselves, or end as they are told."""

import json
import os
import signal
import sys
import time
from typing import Annotated

import manyscale as ms
from manyscale import Clock, Field, Ge


class Caller(ms.ScaleModel):
    """Sends every slot its number, turn by turn."""

    asked = ms.O_I(slots=True, number=Field("number"))
    answer = ms.S(slots=True, number=Field("number"))

    turns: Annotated[int, "1", "exchanges with all", Ge(1)] = 1
    pause: Annotated[float, "s", "wall time between two", Ge(0)] = 0.0

    class State(ms.State):
        turn: int
        slots: int

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(turn=0, slots=start.slots["asked"])

    def clock(self, state: State) -> Clock:
        return Clock.steps(state.turn, self.turns, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        time.sleep(self.pause)
        return {"asked": [{"number": float(slot)} for slot in range(state.slots)]}

    def s(self, state: State, received: ms.Received) -> State:
        return state.but(turn=state.turn + 1)

    def o_f(self, state: State) -> ms.Messages:
        return {}


class Called(ms.ScaleModel):
    """Says in its standard output what it is, then answers or ends."""

    asked = ms.F_INIT(number=Field("number"))
    answer = ms.O_F(number=Field("number"))

    ends: Annotated[str, "1", "how the last one ends: well, raise, kill or exit"] = "well"
    last: Annotated[int, "1", "number of the last one", Ge(0)] = 0

    class State(ms.State):
        time: float
        number: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        return self.State(time=start.time, number=received.asked.number)

    def clock(self, state: State) -> Clock:
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        print(json.dumps(facts()))
        if self.ends != "well" and state.number == self.last:
            _end(self.ends)
        return {"answer": {"number": state.number}}


def _end(how: str) -> None:
    print("my last words", file=sys.stderr, flush=True)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(7)
    raise RuntimeError("this one fails")


def facts() -> dict[str, object]:
    """What a process is to itself and to others."""
    import numpy as np

    with open("/proc/self/environ", "rb") as file:
        shown = [entry.decode() for entry in file.read().split(b"\0")]
    with open("/proc/self/cmdline", "rb") as file:
        command = file.read().decode().split("\0")
    with open("/proc/self/status") as file:
        told = dict(line.split(":", 1) for line in file)
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "group": os.getpgid(0),
        "folder": os.getcwd(),
        "path": sys.path[0],
        "environment": dict(os.environ),
        "shown": [entry for entry in shown if "MUSCLE_INSTANCE" in entry or "NURSERY" in entry],
        "command": command,
        "arguments": sys.argv,
        "descriptors": sorted(filter(None, map(_opened, os.listdir("/proc/self/fd")))),
        "signals": [told[name].strip() for name in ("SigBlk", "SigIgn", "SigCgt")],
        "drawn": float(np.random.random()),  # noqa: NPY002  what a model of somebody else may do
    }


def _opened(number: str) -> str:
    """What a descriptor is, nothing for connections and for what lists them."""
    try:
        place = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""
    return "" if place.startswith("socket:") else os.path.basename(place)
