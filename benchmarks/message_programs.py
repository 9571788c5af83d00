"""The programs of a measurement of messages on bare libmuscle: they do what the models do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from libmuscle import Instance, Message
from ymmsl.v0_2 import Operator

from message_meter import PEERS, Arrays, Meter, turns_of

METER, ARRAYS = Meter(), Arrays()


def step(instance: Instance, send: Callable[[Message], None], receive: Callable[[], None]) -> None:
    """Send and receive turn by turn as the plan says."""
    while instance.reuse_instance():
        turns = turns_of(instance.get_setting("plan", "str"))
        for turn, size in enumerate(turns):
            array = ARRAYS.of(size)
            METER.tick(size)
            after = turn + 1.0 if turn + 1 < len(turns) else None
            send(Message(float(turn), after, array))
            receive()


def pair(sent: str, received: str) -> None:
    """Send to one and receive from one."""
    instance = Instance({Operator.O_I: [sent], Operator.S: [received]})
    step(instance, lambda m: instance.send(sent, m), lambda: instance.receive(received))


def vector() -> None:
    """Send to every slot and receive from every slot."""
    instance = Instance({Operator.O_I: ["asked[]"], Operator.S: ["answer[]"]})

    def send(message: Message) -> None:
        for slot in range(PEERS):
            instance.send("asked", message, slot)

    def receive() -> None:
        for slot in range(PEERS):
            instance.receive("answer", slot)

    step(instance, send, receive)


def crier() -> None:
    """Send to all at once and receive from each."""
    answers = [f"answer{peer}" for peer in range(PEERS)]
    instance = Instance({Operator.O_I: ["asked"], Operator.S: answers})

    def receive() -> None:
        for name in answers:
            instance.receive(name)

    step(instance, lambda message: instance.send("asked", message), receive)


def echo(answer: Callable[[Any], Any]) -> None:
    """Answer whatever comes."""
    instance = Instance({Operator.F_INIT: ["asked"], Operator.O_F: ["answer"]})
    while instance.reuse_instance():
        message = instance.receive("asked")
        array = message.data.array
        METER.tick(array.nbytes)
        instance.send("answer", Message(message.timestamp, None, answer(array)))


PROGRAMS: dict[str, Callable[[], None]] = {
    "Asker": lambda: pair("asked", "answer"),
    "Peer": lambda: pair("answer", "asked"),
    "VectorAsker": vector,
    "Crier": crier,
    "Echo": lambda: echo(lambda array: array),
    "Nod": lambda: echo(lambda array: np.array(array[:1])),
}
"""By the name of the model that does the same."""

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]]()
