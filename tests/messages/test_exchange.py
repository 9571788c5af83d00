"""Two ends exchange messages: in order, without a sender ever waiting, whatever layers are on."""

import itertools
import logging
import threading
import time

import numpy as np
import pytest
from libmuscle.grid import Grid
from libmuscle.mcp.tcp_util import SocketClosed
from libmuscle.mcp.transport_client import TimeoutHandler
from libmuscle.mpp_message import Milestone
from ymmsl.v0_2 import Reference

from manyscale.hosting.transport import client, outgoing, server
from manyscale.hosting.transport.lane import RING
from messages.ends import (
    ALL,
    RECEIVER,
    Receiver,
    Sender,
    numbered,
    pair,
    stock_from_bytes,
    until,
)

ON = frozenset
SOME = [ON({"ring"}), ON({"payload"}), ON({"payload", "ring"}), ON({"ring", "spin"}), ALL]
SIZES = [0, 1, 1000, 4096, 50_000, RING // 8 - 20, RING // 8, RING // 8 + 1, 200_000]
LIMIT = 8.0


def within_limit(function):
    """Call a function in a thread; fail if it does not end in time."""
    done = []
    thread = threading.Thread(target=lambda: done.append(function()), daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive(), "it hangs"
    return done[0]


@pytest.mark.parametrize("layers", SOME, ids=lambda on: "+".join(sorted(on)))
@pytest.mark.parametrize("size", SIZES)
def test_arrays_of_any_size_go_through_any_layers(layers, size):
    with pair(layers) as (sender, receiver):
        for number in range(3):
            sender.send({"x": numbered(number, size), "n": number})
        for number in range(3):
            found = within_limit(receiver.receive).data
            assert found["n"] == number
            assert np.array_equal(found["x"].array, numbered(number, size))


@pytest.mark.parametrize("theirs", SOME, ids=lambda on: "+".join(sorted(on)))
@pytest.mark.parametrize("ours", SOME, ids=lambda on: "+".join(sorted(on)))
def test_ends_with_other_layers_understand_one_another(ours, theirs):
    """As far as arrays travel in a way that both know, which instances find out beforehand."""
    if "payload" in ours - theirs:
        pytest.skip("such a receiver is sent arrays as stock encodes them")
    with pair(ours, receiving=theirs) as (sender, receiver):
        for number in range(5):
            sender.send(numbered(number))
            assert np.array_equal(within_limit(receiver.array), numbered(number))


@pytest.mark.parametrize("layers", [ALL, ON({"payload"}), ON({"ring"})], ids=str)
def test_a_sender_never_waits_and_order_is_kept(layers):
    """A receiver that is far behind: what does not fit into the ring waits outside."""
    with pair(layers) as (sender, receiver):
        sender.send(numbered(0))
        assert np.array_equal(receiver.array(), numbered(0))
        sizes = itertools.cycle([10, 5000, 40_000, 1])
        sent = [next(sizes) for _ in range(300)]
        within_limit(lambda: [sender.send(numbered(n, size)) for n, size in enumerate(sent)])
        for number, size in enumerate(sent):
            assert np.array_equal(receiver.array(), numbered(number, size))
        (to,) = sender.dispatch.outgoing.values()
        assert to.delivered


def test_what_is_sent_before_anybody_asks_arrives():
    sender = Sender().meet()
    for number in range(20):
        sender.send(numbered(number, 30_000))
    receiver = Receiver(sender.server.get_location())
    for number in range(20):
        assert np.array_equal(receiver.array(), numbered(number, 30_000))
    receiver.client.close()
    sender.server.close(graceful=False)


def test_a_receiver_that_asks_before_anybody_knows_it_is_served():
    with pair() as (sender, receiver):
        found = []
        thread = threading.Thread(target=lambda: found.append(receiver.array("b.unknown")))
        thread.start()
        time.sleep(0.1)
        sender.meet("b.unknown").send(numbered(1), "b.unknown")
        thread.join(LIMIT)
        assert np.array_equal(found[0], numbered(1))


def test_many_ports_of_one_peer_are_not_confused():
    ports = [f"b.heard[{n}]" for n in range(40)]
    with pair() as (sender, receiver):
        for port in ports:
            sender.meet(port)
        for turn in range(3):
            for number, port in enumerate(ports):
                sender.send(numbered(100 * turn + number), port)
            for number, port in reversed([*enumerate(ports)]):
                assert np.array_equal(receiver.array(port), numbered(100 * turn + number))


@pytest.mark.parametrize("asked_first", [True, False])
def test_slots_that_come_later_are_reached_like_others(asked_first):
    """Of ports that have as many slots as the sender says, which nobody knows beforehand."""
    sender = Sender()
    if not asked_first:
        sender.dispatch.meet_slots("b.heard", True)
    receiver = Receiver(sender.server.get_location())
    found = []
    thread = threading.Thread(target=lambda: found.append(receiver.array("b.heard[1]")))
    thread.start()
    assert until(lambda: "b.heard[1]" in sender.dispatch.outgoing)
    sender.dispatch.meet_slots("b.heard", True)
    for slot in (0, 1, 2):
        assert sender.dispatch.to(f"b.heard[{slot}]").carries
        sender.send(numbered(slot), f"b.heard[{slot}]")
    thread.join(LIMIT)
    found += [receiver.array("b.heard[2]"), receiver.array("b.heard[0]")]
    assert [np.array_equal(a, numbered(n)) for a, n in zip(found, (1, 2, 0), strict=True)]
    assert len(sender.dispatch.sent_to("b.heard")) == 3
    assert sender.dispatch.to("b.other[0]") is None
    assert sender.dispatch.to("b.heard") is None
    receiver.client.close()
    sender.server.close(graceful=False)


def test_two_sides_that_send_much_before_they_receive_do_not_hold_each_other_up():
    """As stock: nobody waits in a send, however many segments its peer has not looked at."""
    ports = [f"b.heard[{n}]" for n in range(400)]
    sides = [Sender(), Sender()]
    receivers = [Receiver(side.server.get_location()) for side in sides]
    for side, receiver in zip(sides, receivers, strict=True):
        for port in ports:
            side.meet(port).send(1, port)
        for port in ports:
            receiver.receive(port)

    def exchange(side, receiver):
        for _ in range(2):
            for number, port in enumerate(ports):
                side.send(numbered(number, 2048), port, port=f"a.told[{number}]")
        for _, (number, port) in itertools.product(range(2), enumerate(ports)):
            assert np.array_equal(receiver.array(port), numbered(number, 2048))
        return True

    def both():
        done = []
        threads = [
            threading.Thread(target=lambda s=s, r=r: done.append(exchange(s, r)), daemon=True)
            for s, r in zip(sides, receivers[::-1], strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        return done

    assert within_limit(both) == [True, True]
    for receiver, side in zip(receivers, sides, strict=True):
        receiver.client.close()
        side.server.close(graceful=False)


class Handler(TimeoutHandler):
    """Counts how often a receiver became impatient."""

    def __init__(self, timeout, most=10**6):
        self._timeout, self._most = timeout, most
        self.told = []

    @property
    def timeout(self):
        return self._timeout

    def on_timeout(self):
        self.told.append("late")
        if self.told.count("late") >= self._most:
            raise LookupError("deadlock")

    def on_receive(self):
        self.told.append("came")


@pytest.mark.parametrize("layers", SOME, ids=lambda on: "+".join(sorted(on)))
def test_a_receiver_becomes_impatient_as_stock_does(layers):
    with pair(layers) as (sender, receiver):
        sender.send(1)
        handler = Handler(0.1)
        assert receiver.receive(handler=handler).data == 1
        assert handler.told == []
        timer = threading.Timer(0.35, lambda: sender.send(2))
        timer.start()
        assert receiver.receive(handler=handler).data == 2
        assert handler.told[0] == "late"
        assert handler.told.count("came") == 1
        assert handler.told[-1] == "came"
        timer.join()


@pytest.mark.parametrize("layers", SOME, ids=lambda on: "+".join(sorted(on)))
def test_a_deadlock_ends_the_waiting(layers):
    with pair(layers) as (sender, receiver):
        sender.send(1)
        receiver.receive()
        handler = Handler(0.05, most=2)
        with pytest.raises(LookupError, match="deadlock"):
            receiver.receive(handler=handler)
        assert handler.told == ["late", "late"]


def test_impatience_is_counted_while_a_large_message_comes_too():
    with pair(ON({"ring"})) as (sender, receiver):
        sender.send(0)
        receiver.receive()
        (to,) = sender.dispatch.outgoing.values()
        to._lane.write(memoryview((10**6).to_bytes(8, "little")))  # and then nothing
        with pytest.raises(LookupError, match="deadlock"):
            receiver.receive(handler=Handler(0.05, most=2))


@pytest.mark.parametrize("layers", SOME, ids=lambda on: "+".join(sorted(on)))
def test_what_was_sent_before_a_sender_ended_is_received(layers):
    with pair(layers) as (sender, receiver):
        sender.send(numbered(0))
        kept = [receiver.array()]
        if "ring" in layers:
            sender.send(numbered(1))
            sender.send(numbered(2, 100))
        sender.server.close(graceful=False)
        if "ring" in layers:
            kept += [receiver.array(), receiver.array()]
            assert np.array_equal(kept[1], numbered(1))
        with pytest.raises((SocketClosed, ConnectionError)):
            receiver.receive()
        assert np.array_equal(kept[0], numbered(0))


@pytest.mark.parametrize("well", [True, False], ids=["left", "killed"])
def test_who_still_reads_goes_on_after_a_sender_that_left_and_not_after_one_that_was_killed(
    well, monkeypatch
):
    monkeypatch.setattr(client, "_SELDOM", 0.0)
    with pair() as (sender, receiver):
        for number in range(5):
            sender.send(numbered(number, 10))
        receiver.array()
        if not well:
            monkeypatch.setattr(server, "LEAVE", outgoing.BELL)  # it could not say good-bye
        sender.server.close(graceful=False)
        if well:
            for number in range(1, 5):
                assert np.array_equal(receiver.array(), numbered(number, 10))
        with pytest.raises(SocketClosed):
            receiver.array()


def test_a_sender_learns_that_its_receiver_is_gone():
    with pair() as (sender, receiver):
        sender.send(numbered(0))
        receiver.array()
        receiver.client.close()
        (to,) = sender.dispatch.outgoing.values()
        assert until(lambda: to.gone)
        for number in range(30):
            sender.send(numbered(number))
        assert to.delivered
        assert len(sender.pool._by_number) == 1  # whoever is gone needs nothing


def test_an_error_in_the_thread_of_a_connection_is_logged_and_ends_it(monkeypatch, caplog):
    def fails(*_):
        raise ZeroDivisionError("in a thread")

    with caplog.at_level(logging.ERROR), pair() as (sender, receiver):
        sender.send(numbered(0))
        monkeypatch.setattr(outgoing.Lane, "make", fails)
        with pytest.raises((SocketClosed, ConnectionError)):
            within_limit_or_error(receiver.receive)
        assert until(lambda: "ZeroDivisionError: in a thread" in caplog.text)
        monkeypatch.undo()
        other = Receiver(sender.server.get_location())
        sender.meet("b.other").send(5, "b.other")
        assert other.receive("b.other").data == 5
        other.client.close()


def within_limit_or_error(function):
    """Call a function that ends with an error, in a thread; raise that."""
    errors = []

    def call():
        try:
            function()
        except BaseException as exc:
            errors.append(exc)

    within_limit(call)
    raise errors[0]


def test_an_error_while_there_is_room_again_ends_the_connection(monkeypatch, caplog):
    def fails(*_):
        raise ZeroDivisionError("no room")

    with caplog.at_level(logging.ERROR), pair(ON({"ring"})) as (sender, receiver):
        sender.send(0)
        receiver.receive()
        for _ in range(3):
            sender.send(np.zeros(RING // 8))
        monkeypatch.setattr(outgoing.Outgoing, "room", fails)
        with pytest.raises((SocketClosed, ConnectionError)):
            within_limit_or_error(lambda: [receiver.receive() for _ in range(3)])
        assert until(lambda: "ZeroDivisionError: no room" in caplog.text)


def test_a_receiver_that_comes_in_the_stock_way_gets_everything_from_the_first_on():
    sender = Sender().meet()
    for number in range(3):
        sender.send({"x": numbered(number)})
    asked = Reference(RECEIVER)
    found = [sender.office.get_message(asked) for _ in range(3)]
    sender.send({"x": numbered(3)})
    found.append(sender.office.get_message(asked))
    for number, encoded in enumerate(found):
        data = stock_from_bytes(encoded).data
        assert np.array_equal(data["x"].array, numbered(number))
    sender.server.close(graceful=False)


def test_a_stock_receiver_that_waits_gets_what_comes():
    sender = Sender().meet()
    found = []
    asked = Reference(RECEIVER)
    thread = threading.Thread(target=lambda: found.append(sender.office.get_message(asked)))
    thread.start()
    time.sleep(0.05)
    sender.send(Grid(numbered(1), ["x"]))
    thread.join(LIMIT)
    assert np.array_equal(stock_from_bytes(found[0]).data.array, numbered(1))
    sender.server.close(graceful=False)


def test_a_sender_waits_for_its_receivers_at_the_end():
    with pair(ON({"ring"})) as (sender, receiver):
        sender.send(0)
        receiver.receive()
        for number in range(4):
            sender.send(numbered(number, 40_000))
        sender.send(Milestone([]))
        ended = threading.Thread(target=sender.office.wait_for_receivers, daemon=True)
        ended.start()
        ended.join(0.1)
        assert ended.is_alive()
        for number in range(4):
            assert np.array_equal(receiver.array(), numbered(number, 40_000))
        assert receiver.receive().data.is_final_milestone()
        ended.join(LIMIT)
        assert not ended.is_alive()


def test_a_server_waits_until_receivers_hang_up():
    with pair() as (sender, receiver):
        sender.send(numbered(1))
        assert np.array_equal(receiver.array(), numbered(1))
        closing = threading.Thread(target=sender.server.close, daemon=True)
        closing.start()
        closing.join(0.1)
        assert closing.is_alive()
        receiver.client.close()
        closing.join(LIMIT)
        assert not closing.is_alive()


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_sending_and_receiving(seed):
    """Random sizes, kept arrays, ports and layers: each port in order, each array as it was."""
    rng = np.random.default_rng(seed)
    layers = SOME[int(rng.integers(len(SOME)))]
    budget = int(rng.choice([0, 300_000, 2**30]))
    ports = [f"b.heard[{n}]" for n in range(int(rng.integers(1, 5)))]
    with pair(layers, budget) as (sender, receiver):
        for port in ports:
            sender.meet(port)
        waiting, kept = {port: [] for port in ports}, []
        for number in range(150):
            size = int(rng.choice([3, 1000, 2048, 5000, 40_000]))
            some = [p for p in ports if rng.random() < 0.6] or ports[:1]
            sender.send(numbered(number, size), *some)
            for port in some:
                waiting[port].append((number, size))
            for port in ports:
                while waiting[port] and rng.random() < 0.5:
                    kept.append((receiver.array(port), *waiting[port].pop(0)))
            kept = [one for one in kept if rng.random() < 0.8]
            assert all(np.array_equal(array, numbered(n, size)) for array, n, size in kept)
