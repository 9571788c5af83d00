"""Between nodes nobody can change, repeat, leave out or send back a record."""

import contextlib
import os
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyscale_guard.channel import RECORD, Channel, ForgedError, _Authority
from manyscale_guard.handshake import Keys

ONE, OTHER = b"1" * 32, b"2" * 32
HEAD = 20  # bytes before the data of a record


def pair():
    left, right = socket.socketpair()
    return Channel(left, Keys(ONE, OTHER)), Channel(right, Keys(OTHER, ONE))


def receive(channel, size):
    data, got = bytearray(size), 0
    while got < size:
        count = channel.recv_into(memoryview(data)[got:], size - got)
        if not count:
            break
        got += count
    return bytes(data[:got])


def said(*texts):
    """The records that these texts become."""
    left, right = socket.socketpair()
    with left, right:
        channel = Channel(left, Keys(ONE, OTHER))
        for text in texts:
            channel.sendall(text)
        left.close()
        return b"".join(iter(lambda: right.recv(2**16), b""))


@contextlib.contextmanager
def heard(data):
    """A channel that receives these bytes and then the end."""
    left, right = socket.socketpair()
    left.sendall(data)
    left.close()
    with right:
        yield Channel(right, Keys(OTHER, ONE))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 400))
def test_bytes_arrive_whatever_is_asked_for_at_once(parts, at_once):
    left, right = pair()
    for part in parts:
        if part:
            left.sendall(part)
    left.close()
    found = b"".join(iter(lambda: right.recv(at_once), b""))
    right.close()
    assert found == b"".join(parts)


@pytest.mark.parametrize(
    "size", [1, 2**12 - 8, 2**12, 2**16, 2**16 + 1, RECORD - 8, RECORD, 3 * RECORD + 5]
)
def test_messages_of_any_size_arrive(size):
    left, right = pair()
    data = os.urandom(size)
    thread = threading.Thread(target=left.sendall, args=(size.to_bytes(8, "little"), data))
    thread.start()
    assert receive(right, 8) == size.to_bytes(8, "little")
    assert receive(right, size) == data
    assert not right.pending()
    thread.join()
    left.close()
    assert receive(right, 1) == b""
    right.close()


@pytest.mark.parametrize("size", [5, 5000])
@pytest.mark.parametrize("place", [0, 3, 4, 19, 20, -1])
def test_a_changed_byte_is_noticed(place, size):
    record = bytearray(said(bytes(size)))
    record[place] ^= 1
    with heard(bytes(record)) as channel, pytest.raises((ForgedError, ConnectionResetError)):
        receive(channel, size)


def records(*texts):
    """The records of texts of one length, each for itself."""
    whole, size = said(*texts), HEAD + len(texts[0])
    return [whole[i : i + size] for i in range(0, len(whole), size)]


@pytest.mark.parametrize("order", [[0, 0], [1], [1, 0], [0, 2]])
def test_records_repeated_or_left_out_are_noticed(order):
    three = records(b"one", b"two", b"six")
    with heard(b"".join(three[i] for i in order)) as channel, pytest.raises(ForgedError):
        receive(channel, 9)


def test_what_was_sent_cannot_be_sent_back():
    left, right = socket.socketpair()
    with left, right:
        channel = Channel(left, Keys(ONE, OTHER))
        channel.sendall(b"mine")
        right.sendall(right.recv(100))
        with pytest.raises(ForgedError):
            receive(channel, 4)


def test_a_record_of_another_connection_is_noticed():
    with heard(said(b"text")) as channel:
        channel._receiving = _Authority(b"3" * 32)
        with pytest.raises(ForgedError):
            receive(channel, 4)


@pytest.mark.parametrize("length", [0, RECORD + 1, 2**32 - 1])
def test_the_length_of_a_record_is_bounded(length):
    with (
        heard(length.to_bytes(4, "big") + bytes(16)) as channel,
        pytest.raises(ForgedError, match=f"a record of {length} bytes"),
    ):
        receive(channel, 1)


def test_a_record_that_breaks_off_is_a_lost_connection():
    with heard(said(b"whole")[:-1]) as channel, pytest.raises(ConnectionResetError):
        receive(channel, 5)
