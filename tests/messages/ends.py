"""Both ends of messages in one process, without a manager: what an instance makes of them."""

import contextlib
import time

import msgpack
import numpy as np
from libmuscle.mcp.protocol import RequestType
from libmuscle.mpp_message import MPPMessage
from libmuscle.mpp_server import MPPRequestHandler
from libmuscle.post_office import PostOffice
from ymmsl.v0_2 import Reference

from manyscale.hosting.transport import wire
from manyscale.hosting.transport.client import LocalClient
from manyscale.hosting.transport.layers import LAYERS
from manyscale.hosting.transport.server import Dispatch, LocalServer

ALL = frozenset(LAYERS)
PLENTY = 2**30  # bytes
stock_encoded, stock_from_bytes = MPPMessage.encoded, MPPMessage.from_bytes
RECEIVER = "b.heard"


def until(holds, limit=30.0):
    """Wait until something holds; return whether it does."""
    deadline = time.monotonic() + limit
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.002)
    return holds()


def message(data, receiver=RECEIVER, number=0, sender="a.told"):
    """Return a message as libmuscle's communicator makes it."""
    ends = Reference(sender), Reference(receiver)
    return MPPMessage(*ends, None, 0.5, None, None, number, data, [number])


class Sender:
    """The sending side of an instance."""

    def __init__(self, layers=ALL, budget=PLENTY):
        self.dispatch = Dispatch(layers, budget)
        self.office = PostOffice()
        kind = type("Server", (LocalServer,), {"dispatch": self.dispatch})
        self.server = kind(MPPRequestHandler(self.office))
        self.sent = 0

    def meet(self, receiver=RECEIVER):
        """Know a receiver, as an instance knows its peers before it sends."""
        self.dispatch.meet(receiver).carries = True
        return self

    def send(self, data, *receivers, port="a.told"):
        """Send data from one port to one or more receivers."""
        for receiver in receivers or (RECEIVER,):
            made = message(data, receiver, self.sent, port)
            self.office.deposit(Reference(receiver), self._encoded(made))
        self.sent += 1

    def _encoded(self, made):
        if "payload" in self.dispatch.layers:
            return self.dispatch.loading.shipped(wire.plain(made))
        return stock_encoded(made)

    @property
    def pool(self):
        return self.dispatch.pool


class Receiver:
    """The receiving side of an instance, connected to one sender."""

    def __init__(self, location, layers=ALL):
        self.client = type("Client", (LocalClient,), {"layers": layers})(location)

    def receive(self, receiver=RECEIVER, handler=None):
        """Return the next message."""
        request = msgpack.packb([RequestType.GET_NEXT_MESSAGE.value, receiver])
        return wire.from_bytes(self.client.call(request, handler)[0])

    def array(self, receiver=RECEIVER):
        """Return the array that the next message is."""
        return self.receive(receiver).data.array


@contextlib.contextmanager
def pair(layers=ALL, budget=PLENTY, receiving=None):
    """Give a sender that knows a receiver, and the receiver; close both."""
    sender = Sender(layers, budget).meet()
    try:
        receiver = Receiver(
            sender.server.get_location(), layers if receiving is None else receiving
        )
        try:
            yield sender, receiver
        finally:
            receiver.client.close()
    finally:
        sender.server.close(graceful=False)


def numbered(number, size=4096):
    """Return an array that is unlike any other."""
    return np.random.default_rng(number).standard_normal(size)
