"""Components in loops of their own: ports with as many slots as their sender says; a deadlock."""

from pathlib import Path

import numpy as np
from libmuscle import Message

import manyscale as ms
from manyscale import Field
from toys.messages import mixed

COUNTS = (4, 4, 4)
FOUND = "found.bin"


class Many(ms.ScaleModel):
    """Asks in a changing number of slots."""

    asks = ms.O_I(slots=True, plain=True, x=Field("number", "1", "i"))
    answers = ms.S(slots=True, plain=True, x=Field("number", "1", "i"))

    @staticmethod
    def run(instance):
        while instance.reuse_instance():
            x = np.linspace(0.2, 0.7, 3000)
            for step, count in enumerate(COUNTS):
                instance.set_port_length("asks", count)
                for slot in range(count):
                    x = mixed(x, np.full(x.size, 0.1 * slot))
                    following = None if step + 1 == len(COUNTS) else step + 1.0
                    instance.send("asks", Message(float(step), following, x), slot)
                for slot in range(count):
                    x = mixed(x, instance.receive("answers", slot).data.array)
            Path(FOUND).write_bytes(x.tobytes())


class Answering(ms.ScaleModel):
    """Answers in as many slots as it is asked in."""

    asked = ms.F_INIT(slots=True, plain=True, x=Field("number", "1", "i"))
    answer = ms.O_F(slots=True, plain=True, x=Field("number", "1", "i"))

    @staticmethod
    def run(instance):
        while instance.reuse_instance():
            count = instance.get_port_length("asked")
            came = [instance.receive("asked", slot) for slot in range(count)]
            instance.set_port_length("answer", count)
            for slot, message in enumerate(came):
                x = message.data.array
                instance.send("answer", Message(message.timestamp, None, mixed(x, x)), slot)


class Waiting(ms.ScaleModel):
    """Waits for what the other one tells before it tells anything itself."""

    told = ms.O_I(plain=True, x=Field("number", "1", "i"))
    heard = ms.S(plain=True, x=Field("number", "1", "i"))

    @staticmethod
    def run(instance):
        while instance.reuse_instance():
            instance.receive("heard")
            instance.send("told", Message(0.0, None, np.zeros(3000)))
