"""Rings: everything arrives in order however large, and nobody trusts what a peer has written."""

import gc
import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyscale.hosting.transport.lane import Lane
from manyscale.hosting.transport.segments import BrokenPeerError

HEAD, TAIL, SLEEPS, WAITS = 0, 8, 16, 24  # places of the numbers, as documented


@pytest.fixture(params=[64])
def ends(request):
    sender, descriptor = Lane.make(request.param)
    receiver = Lane.join(descriptor, request.param)
    return sender, receiver


def framed(message):
    return memoryview(len(message).to_bytes(8, "little") + message)


def read_in_pieces(lane, size):
    found = bytearray(size)
    assert lane.read(memoryview(found)) == size
    return bytes(found)


def test_a_whole_message_is_read_at_once(ends):
    sender, receiver = ends
    assert not receiver.ready()
    assert sender.write(framed(b"hello")) == 13
    assert receiver.ready()
    assert receiver.whole() == b"hello"
    assert not receiver.ready()


def test_a_message_round_the_end_is_read_in_pieces(ends):
    sender, receiver = ends
    for number in range(40):  # 21 bytes each, so that many begin or end beyond the end
        message = bytes([number]) * 13
        assert sender.write(framed(message)) == 21
        found = receiver.whole()
        if found is None:
            assert int.from_bytes(read_in_pieces(receiver, 8), "little") == 13
            found = read_in_pieces(receiver, 13)
        assert found == message


def test_an_empty_message_is_one(ends):
    sender, receiver = ends
    sender.write(framed(b""))
    assert receiver.ready()
    assert receiver.whole() == b""


def test_a_full_ring_takes_what_fits_and_tells_of_room(ends):
    sender, receiver = ends
    data = memoryview(bytes(range(100)))
    assert sender.write(data) == 64
    assert sender.write(data[64:]) == 0
    assert not receiver.sender_waits()
    assert not sender.wait_for_room()
    assert read_in_pieces(receiver, 10) == bytes(range(10))
    assert receiver.sender_waits()
    assert not receiver.sender_waits()  # told once
    assert sender.wait_for_room()
    assert sender.write(data[64:]) == 10
    assert read_in_pieces(receiver, 64) == bytes(range(10, 74))


def test_a_reader_that_sleeps_is_seen(ends):
    sender, receiver = ends
    assert not sender.reader_sleeps
    receiver.sleep(True)
    assert sender.reader_sleeps
    receiver.sleep(False)
    assert not sender.reader_sleeps


def test_what_was_released_is_seen(ends):
    sender, receiver = ends
    assert not sender.has_released(7, 1)
    receiver.release(7, 3)
    assert sender.has_released(7, 3)
    assert not sender.has_released(7, 4)
    assert not sender.has_released(8, 1)


@given(
    st.integers(1, 97),
    st.lists(st.binary(max_size=300), max_size=20),
    st.lists(st.integers(1, 120), min_size=1, max_size=30),
)
def test_any_bytes_in_any_pieces_come_through_any_ring(ring, messages, steps):
    sender, descriptor = Lane.make(ring)
    receiver = Lane.join(descriptor, ring)
    waiting = memoryview(b"".join(messages))
    found, turn = bytearray(), 0
    while len(found) < sum(map(len, messages)):
        waiting = waiting[sender.write(waiting[: steps[turn % len(steps)]]) :]
        target = bytearray(steps[(turn + 1) % len(steps)])
        found += target[: receiver.read(memoryview(target))]
        turn += 1
    assert bytes(found) == b"".join(messages)


def test_two_threads_lose_nothing():
    ring = 4096
    sender, descriptor = Lane.make(ring)
    receiver = Lane.join(descriptor, ring)
    data = np.random.default_rng(5).bytes(1_000_000)

    def write():
        left = memoryview(data)
        while left:
            left = left[sender.write(left) :]
            time.sleep(0.0)  # lets the other thread run

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    found = bytearray(len(data))
    left = memoryview(found)
    while left:
        left = left[receiver.read(left) :]
        time.sleep(0.0)
    thread.join(10.0)
    assert found == data


@pytest.mark.parametrize("tail", [1, 2**63, 2**64 - 1])
def test_a_receiver_that_read_what_was_never_written_is_broken(ends, tail):
    sender, receiver = ends
    receiver._numbers[TAIL] = tail
    with pytest.raises(BrokenPeerError, match=f"read {tail} of 0 bytes"):
        sender.write(memoryview(b"x"))


@pytest.mark.parametrize("head", [65, 2**63, 2**64 - 1])
def test_a_sender_that_wrote_more_than_there_is_room_is_broken(ends, head):
    sender, receiver = ends
    sender._numbers[HEAD] = head
    for read in (receiver.whole, lambda: receiver.read(memoryview(bytearray(8)))):
        with pytest.raises(BrokenPeerError, match=f"wrote {head} bytes"):
            read()


def test_a_sender_that_takes_back_what_was_read_is_broken(ends):
    sender, receiver = ends
    sender.write(memoryview(bytes(20)))
    read_in_pieces(receiver, 20)
    sender._numbers[HEAD] = 5
    with pytest.raises(BrokenPeerError, match="wrote 5 bytes, 20 were read"):
        receiver.whole()


def test_a_message_that_claims_any_length_stays_within_the_ring(ends):
    sender, receiver = ends
    for length in (57, 2**31, 2**63, 2**64 - 1):
        sender.write(memoryview(length.to_bytes(8, "little")))
        assert receiver.whole() is None  # not here, or larger than the ring
        assert int.from_bytes(read_in_pieces(receiver, 8), "little") == length


@pytest.mark.parametrize("ring", [-1, 2**26 + 1, 2**60])
def test_a_ring_of_no_size_is_refused(ring):
    before = len(os.listdir("/proc/self/fd"))
    sender, descriptor = Lane.make(64)
    with pytest.raises(BrokenPeerError, match="ring of"):
        Lane.join(descriptor, ring)
    del sender
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_ring_larger_than_its_memory_is_refused():
    _, descriptor = Lane.make(64)
    with pytest.raises(BrokenPeerError, match="announced"):
        Lane.join(descriptor, 65)


def test_lanes_leave_no_descriptor():
    before = set(os.listdir("/proc/self/fd"))
    sender, descriptor = Lane.make(64)
    receiver = Lane.join(descriptor, 64)
    del sender, receiver
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) <= before
