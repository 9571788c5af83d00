"""What broken and malicious peers do, each in a process of its own: an error, never a signal."""

import contextlib
import ctypes
import fcntl
import mmap
import os
import socket
import sys
import tempfile

import numpy as np

from manyscale.hosting.transport import arrays, local_socket
from manyscale.hosting.transport.client import Connection, Incoming
from manyscale.hosting.transport.lane import Lane
from manyscale.hosting.transport.local_socket import Location
from manyscale.hosting.transport.outgoing import BELL, FORGET, HEAD, LANE, PART, ROOM, SEGMENT
from manyscale.hosting.transport.segments import (
    BrokenPeerError,
    Segment,
    created,
    mapped,
    seal_size,
)
from messages.ends import numbered, pair

SIZE = 2**16
_libc = ctypes.CDLL(None, use_errno=True)


def _regular_file():
    with tempfile.TemporaryFile() as file:
        file.truncate(SIZE)
        return os.dup(file.fileno())


def _pipe():
    reading, writing = os.pipe()
    os.close(writing)
    return reading


def _unsealed():
    return created("forged", SIZE)


def _sealed(seals, size=SIZE):
    descriptor = created("forged", size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _smaller():
    descriptor = created("forged", SIZE - 1)
    seal_size(descriptor)
    return descriptor


FORGED = {
    "no memory": _regular_file,
    "a pipe": _pipe,
    "a socket": lambda: socket.socket().detach(),
    "a device": lambda: os.open("/dev/zero", os.O_RDWR),
    "unsealed": _unsealed,
    "may shrink": lambda: _sealed(fcntl.F_SEAL_GROW),
    "may grow": lambda: _sealed(fcntl.F_SEAL_SHRINK),
    "smaller": _smaller,
    "empty": lambda: _sealed(fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, 0),
}
"""What a peer may hand over in place of memory."""


def map_forged(kind, writable):
    """Map what a peer forged; leave 0 if that was refused, and nothing is open afterwards."""
    descriptor = FORGED[kind]()
    before = len(os.listdir("/proc/self/fd"))
    try:
        memory = mapped(descriptor, SIZE, writable=writable == "True")
    except BrokenPeerError as exc:
        assert len(os.listdir("/proc/self/fd")) == before - 1
        print(exc)
        return
    bytes(memory)
    sys.exit(f"{kind} was mapped")


def try_it(name):
    """Do what is called like this."""
    globals()[name]()


def map_what_cannot_be_written():
    """Join a lane that its maker has sealed against writing."""
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    try:
        Lane.join(_sealed(seals, 2**20), 2**10)
    except BrokenPeerError as exc:
        print(exc)
        return
    sys.exit("it was joined")


def map_any_size():
    """Map with announced sizes that are none."""
    for size in (0, SIZE + 1, 2**62, 2**64 - 1):
        descriptor = created("forged", SIZE)
        seal_size(descriptor)
        try:
            mapped(descriptor, size, writable=False)
        except BrokenPeerError:
            continue
        sys.exit(f"{size} bytes were mapped")


def spoil_a_segment():
    """Try everything on a received segment that could harm its sender or others who read it."""
    segment = Segment(0, SIZE)
    descriptor = os.dup(segment.descriptor)
    memory = mmap.mmap(descriptor, SIZE, access=mmap.ACCESS_READ)
    segment.bytes[:] = 7
    for name, attempt in _attempts(descriptor, memory):
        try:
            attempt()
        except (OSError, ValueError, TypeError):
            continue
        sys.exit(f"{name} was let through")
    assert (np.frombuffer(memory, np.uint8) == 7).all()


def _attempts(descriptor, memory):
    again = f"/proc/self/fd/{descriptor}"
    address = np.frombuffer(memory, np.uint8).ctypes.data
    yield "truncate", lambda: os.ftruncate(descriptor, 0)
    yield "grow", lambda: os.ftruncate(descriptor, 2 * SIZE)
    yield "punch a hole", lambda: _fallocate(descriptor, 0x03)
    yield "write", lambda: os.pwrite(descriptor, b"x", 0)
    yield "map for writing", lambda: mmap.mmap(descriptor, SIZE)
    yield "open and write", lambda: os.pwrite(os.open(again, os.O_RDWR), b"x", 0)
    yield "open and map", lambda: mmap.mmap(os.open(again, os.O_RDWR), SIZE)
    yield "open and truncate", lambda: os.close(os.open(again, os.O_RDWR | os.O_TRUNC))
    yield "make writable", lambda: _make_writable(address)
    yield "more seals", lambda: fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    yield "assign", lambda: memory.__setitem__(0, 1)


def _fallocate(descriptor, mode):
    offset = ctypes.c_longlong
    if _libc.fallocate(descriptor, mode, offset(0), offset(4096)):
        raise OSError(ctypes.get_errno(), "fallocate")


def _make_writable(address):
    place, all_of_it = ctypes.c_void_p(address), ctypes.c_size_t(SIZE)
    if _libc.mprotect(place, all_of_it, mmap.PROT_READ | mmap.PROT_WRITE):
        raise OSError(ctypes.get_errno(), "mprotect")


def write_to_a_received_array():
    """A received array cannot be made writable, nor can what it is a view of."""
    with pair() as (sender, receiver):
        sender.send(numbered(1))
        array = receiver.array()
        for name, attempt in _on_an_array(array):
            try:
                attempt()
            except (ValueError, TypeError, AttributeError):
                continue
            sys.exit(f"{name} was let through")
        assert np.array_equal(array, numbered(1))


def _on_an_array(array):
    yield "assign", lambda: array.__setitem__(0, 1.0)
    yield "in place", lambda: array.__iadd__(1.0)
    yield "sort", lambda: array.sort()
    yield "out", lambda: np.add(array, 1.0, out=array)
    yield "flag", lambda: setattr(array.flags, "writeable", True)
    yield "setflags", lambda: array[5:].setflags(write=True)
    yield "base", lambda: array.base.__setitem__(0, 1.0)
    yield "view", lambda: array.view(np.uint8).setflags(write=True)
    yield "memoryview", lambda: memoryview(array).__setitem__(0, 1.0)


class Malicious:
    """A sender that speaks for itself: it proves itself, and then sends what it likes."""

    def __init__(self):
        self._listening, self.name = local_socket.listening()

    def __enter__(self):
        import threading

        made = []
        thread = threading.Thread(target=lambda: made.append(self._admit()), daemon=True)
        thread.start()
        self.connection = Connection(self.name)
        self.port = self.connection.incoming[0] = Incoming(self.connection, 0, False)
        thread.join(10.0)
        (self.socket,) = made
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.socket.close()
        self._listening.close()

    def _admit(self):
        made, _ = self._listening.accept()
        local_socket.admit(made)
        return made

    def lane(self, descriptor=None, ring=2**12, number=0):
        """Hand over a lane, a good one unless told; return the sender's end."""
        mine = None
        if descriptor is None:
            mine, descriptor = Lane.make(ring)
        local_socket.send_descriptor(self.socket, HEAD.pack(LANE, number, ring), descriptor)
        os.close(descriptor)
        return mine

    def segment(self, descriptor, size, number=0):
        """Hand over what should be a segment."""
        local_socket.send_descriptor(self.socket, HEAD.pack(SEGMENT, number, size), descriptor)
        os.close(descriptor)

    def heed(self, times=1):
        """Let the receiver read so many packets."""
        from manyscale.hosting.transport.client import _Clock, _Promptly

        for _ in range(times):
            self.connection.heed(_Clock(_Promptly()))


def _nothing(peer):
    peer.socket.send(b"x")


def _short(peer):
    peer.socket.send(HEAD.pack(SEGMENT, 0, SIZE)[:-1])


def _no_descriptor(peer):
    peer.socket.send(HEAD.pack(SEGMENT, 0, SIZE))


def _no_lane(peer):
    peer.socket.send(HEAD.pack(LANE, 0, SIZE))


def _unknown(peer):
    peer.socket.send(HEAD.pack(b"Z", 0, 0))


def _lane_nobody_wants(peer):
    peer.lane(number=77)


def _part_nobody_wants(peer):
    peer.socket.send(HEAD.pack(PART, 99, 5) + b"hello")


def _segment_beyond(peer):
    descriptor = created("forged", SIZE)
    seal_size(descriptor)
    peer.segment(descriptor, SIZE, number=2**40)


def _segment_forged(peer):
    peer.segment(FORGED["unsealed"](), SIZE)


def _segment_smaller(peer):
    peer.segment(FORGED["smaller"](), SIZE)


def _lane_forged(peer):
    peer.lane(FORGED["no memory"]())


def _lane_of_any_size(peer):
    peer.lane(FORGED["unsealed"](), ring=2**63)


def _lane_that_cannot_be_written(peer):
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    peer.lane(_sealed(seals, 2**20))


PACKETS = {
    made.__name__.strip("_"): made
    for made in (
        _nothing, _short, _no_descriptor, _no_lane, _unknown, _lane_nobody_wants,
        _part_nobody_wants, _segment_beyond, _segment_forged, _segment_smaller, _lane_forged,
        _lane_of_any_size, _lane_that_cannot_be_written,
    )
}  # fmt: skip


def send_packet(name):
    """Send one malicious packet to a receiver."""
    with Malicious() as peer:
        PACKETS[name](peer)
        try:
            peer.heed()
        except BrokenPeerError as exc:
            print(exc)
            return
    sys.exit(f"{name} was taken")


def _head(kind=3, order=0, shape=(4,)):
    return arrays._START.pack(kind, order, len(shape)) + b"".join(
        n.to_bytes(8, "little") for n in (*shape, *[0] * (1 - len(shape) % 2))
    )


def _place(number=0, filling=1, begin=0):
    return arrays._PLACE.pack(number, filling, begin)


DESCRIPTIONS = {
    "empty": b"",
    "no kind": b"\x03\x00",
    "unknown kind": _head(kind=200) + _place(),
    "too few lengths": _head(shape=(4, 4))[:-3],
    "no place": _head(),
    "half a place": _head() + _place()[:-1],
    "more than a place": _head() + _place() + b"x",
    "beyond the end": _head(shape=(SIZE // 8 + 1,)) + _place(),
    "begins beyond": _head(shape=(1,)) + _place(begin=SIZE),
    "begins far beyond": _head(shape=(1,)) + _place(begin=2**64 - 64),
    "unaligned": _head(shape=(1,)) + _place(begin=4),
    "as large as there is not": _head(shape=(2**40, 2**40)) + _place(),
    "product that wraps": _head(shape=(2**32, 2**32)) + _place(),
    "an axis too long": _head(shape=(2**63, 0)) + _place(),
    "many axes": _head(shape=(1,) * 65) + _place(),
    "most axes": _head(shape=(1,) * 255) + _place(),
    "segment beyond": _head() + _place(number=2**40),
}
"""Descriptions of arrays in a segment of SIZE bytes that cannot be; `segment beyond` is waited for."""
INLINE = {
    "empty": b"",
    "unknown kind": _head(kind=5) + bytes(32),
    "fewer bytes": _head(shape=(4,)) + bytes(31),
    "none": _head(shape=(4,)),
    "far fewer bytes": _head(shape=(2**50,)) + bytes(8),
    "an axis too long": _head(shape=(2**63, 0)),
    "many axes": _head(shape=(1,) * 65) + bytes(8),
    "product that wraps": _head(shape=(2**32, 2**32)) + bytes(8),
}
"""Arrays within a message that cannot be."""


class _Here:
    """Has one segment, and nothing else; whatever is asked for."""

    bytes = np.zeros(SIZE, np.uint8)

    def mapping(self, number):
        if number:
            raise BrokenPeerError(f"segment {number} was never sent.")
        return self.bytes

    def release(self, number, filling):
        assert number == 0


def describe(name):
    """Read an array in a segment that cannot be."""
    try:
        arrays.Leases(_Here()).array(DESCRIPTIONS[name])
    except BrokenPeerError as exc:
        print(exc)
        return
    sys.exit(f"{name} was read")


def describe_inline(name):
    """Read an array in a message that cannot be."""
    try:
        arrays.from_inline(INLINE[name])
    except BrokenPeerError as exc:
        print(exc)
        return
    sys.exit(f"{name} was read")


def hand_descriptors_to_a_receiver():
    """A sender hands over what nobody asked for: the receiver says so and keeps nothing."""
    with Malicious() as peer:
        for what, number in ((BELL, 0), (FORGET, 0), (PART, 0), (SEGMENT, 2**40), (b"Z", 0)):
            before = _open()
            local_socket.send_descriptor(peer.socket, HEAD.pack(what, number, 0), 0)
            _refused(peer.heed)
            assert _open() == before, what
        before = _open()
        peer.lane(created("forged", SIZE), ring=2**60)
        _refused(peer.heed)
        assert _open() == before


def hand_descriptors_to_a_sender():
    """A receiver hands over what nobody asked for: it is hung up on, and others are served."""
    with pair() as (sender, receiver):
        sender.send(numbered(1))
        receiver.array()
        before = _open()
        for _ in range(5):
            other = local_socket.connected(Location.parsed(sender.server.get_location()).name)
            local_socket.send_descriptor(other, HEAD.pack(ROOM, 0, 0), 0)
            assert not other.recv(1)
            other.close()
        sender.send(numbered(2))
        assert np.array_equal(receiver.array(), numbered(2))
        assert _open() == before, (_open(), before)


def _refused(function):
    try:
        function()
    except BrokenPeerError:
        return
    sys.exit("it was taken")


def _open():
    """Return what every descriptor is, but that of looking for them."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return found


def shrink_beneath_a_reader():
    """A sender keeps trying to take away the memory that a receiver reads."""
    with pair() as (sender, receiver):
        sender.send(numbered(1))
        array = receiver.array()
        (segment,) = sender.pool._by_number.values()
        for size in (0, 4096):
            try:
                os.ftruncate(segment.descriptor, size)
            except OSError:
                continue
            sys.exit("it shrank")
        assert np.array_equal(array, numbered(1))


def garbage_in_the_ring(seed):
    """Whatever a sender writes into ring and counters, the receiver ends with an exception."""
    rng = np.random.default_rng(int(seed))
    with Malicious() as peer:
        lane = peer.lane()
        peer.heed()
        lane.write(memoryview(rng.bytes(int(rng.integers(1, 4096)))))
        if rng.random() < 0.5:
            lane._numbers[int(rng.integers(0, 4)) * 8] = int(rng.integers(0, 2**63))
        peer.socket.close()
        try:
            _receive(peer.port)
        except Exception as exc:
            print(type(exc).__name__, exc)
            return
    sys.exit("it was taken for a message")


def _receive(port):
    from manyscale.hosting.transport import wire
    from manyscale.hosting.transport.client import _Clock, _Promptly

    while True:
        wire.from_bytes(port.next(_Clock(_Promptly())))
