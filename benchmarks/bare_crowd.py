"""What `crowd` does, on libmuscle alone: `python bare_crowd.py caller` or `called`."""

import sys

from libmuscle import Instance, Message
from ymmsl.v0_2 import Operator


def caller():
    """Send a number to all and hear all."""
    instance = Instance({Operator.O_I: ["asked[]"], Operator.S: ["answer[]"]})
    while instance.reuse_instance():
        slots = range(instance.get_port_length("asked"))
        for slot in slots:
            instance.send("asked", Message(0.0, None, 1.0), slot)
        for slot in slots:
            instance.receive("answer", slot)


def called():
    """Return what it is given."""
    instance = Instance({Operator.F_INIT: ["asked"], Operator.O_F: ["answer"]})
    while instance.reuse_instance():
        message = instance.receive("asked")
        instance.send("answer", Message(message.timestamp, None, message.data))


if __name__ == "__main__":
    {"caller": caller, "called": called}[sys.argv[1]]()
