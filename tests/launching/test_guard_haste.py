"""Nobody waits longer than there is something to wait for; what is not as known is left alone."""

import sys
import threading
import time
import types

import pytest

from manyscale_guard import arrivals, pace
from toys.guarded import until

PENDING = 2


def manager():
    """A manager's handler as libmuscle has it, in a module of its own; how often it was asked."""
    asked = []

    class Handler:
        here = set()

        def _register_instance(self, instance_id, *told):
            self.here.add(instance_id)
            return [0, *told]

        def _get_peers(self, instance_id):
            asked.append(instance_id)
            missing = [name for name in ("b", "c[1]") if name not in self.here]
            return [PENDING, f"Waiting for component {missing[0]}"] if missing else [0]

    response = types.SimpleNamespace(PENDING=types.SimpleNamespace(value=PENDING))
    module = types.SimpleNamespace(MMPRequestHandler=Handler, ResponseType=response)
    arrivals.guard_arrivals(module)
    return Handler(), asked


def test_peers_are_told_when_they_have_come():
    handler, asked = manager()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(handler._get_peers("a")), daemon=True)
    waiting.start()
    until(lambda: asked == ["a"])
    assert handler._register_instance("c[1]", "there") == [0, "there"]
    assert handler._register_instance("b") == [0]
    waiting.join(30.0)
    assert answers == [[0]]
    assert asked == ["a", "a"], "once before, once after"


def test_who_waits_too_long_asks_again(monkeypatch):
    monkeypatch.setattr(arrivals, "_PATIENCE", 0.05)
    handler, asked = manager()
    assert handler._get_peers("a")[0] == PENDING
    assert asked == ["a"]


@pytest.fixture
def agent(monkeypatch):
    """An agent's program that is `__main__`, what it is ordered, and how long it slept."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    program = types.ModuleType("__main__")
    program.__spec__ = types.SimpleNamespace(name=pace._AGENT)
    program.sleep = time.sleep
    monkeypatch.setitem(sys.modules, "__main__", program)

    class MAPClient:
        orders = ["start", None]

        def get_command(self):
            return self.orders.pop(0)

    return program, types.SimpleNamespace(MAPClient=MAPClient), slept


def test_an_agent_waits_only_when_nothing_was_ordered(agent):
    program, module, slept = agent
    pace.guard_pace(module)
    client = module.MAPClient()
    for _ in range(2):
        client.get_command()
        program.sleep(0.1)
    assert slept == [pace._BRIEF, 0.1]


def test_an_agent_that_waits_in_another_way_is_left_alone(agent):
    program, module, _ = agent
    program.sleep = waits = object()
    before = module.MAPClient.get_command
    pace.guard_pace(module)
    assert (program.sleep, module.MAPClient.get_command) == (waits, before)
