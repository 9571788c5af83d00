"""A program of another make: nothing but libmuscle. As `micro` it answers, as `macro` it asks."""

import sys

import numpy as np
from libmuscle import Instance, Message
from ymmsl.v0_2 import Operator


def mixed(x, other):
    """Return x mapped chaotically into [0, 1], with a tenth of another array in it."""
    both = 0.9 * x + 0.1 * other
    return 3.9 * both * (1.0 - both)


def micro():
    """Answer every array with a mixed one."""
    instance = Instance({Operator.F_INIT: ["asked"], Operator.O_F: ["answer"]})
    while instance.reuse_instance():
        asked = instance.receive("asked")
        x = asked.data.array
        instance.send("answer", Message(asked.timestamp, None, mixed(x, np.zeros(x.size))))


def macro():
    """Ask a few times with a bare array."""
    instance = Instance({Operator.O_I: ["asks"], Operator.S: ["answers"], Operator.O_F: ["last"]})
    while instance.reuse_instance():
        x = np.linspace(0.3, 0.7, instance.get_setting("size", "int"))
        for step in range(5):
            following = float(step + 1) if step < 4 else None
            instance.send("asks", Message(float(step), following, x))
            x = mixed(x, instance.receive("answers").data.array)
        instance.send("last", Message(5.0, None, x))


if __name__ == "__main__":
    {"micro": micro, "macro": macro}[sys.argv[1]]()
