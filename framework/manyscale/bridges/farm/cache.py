"""Answers that were computed before: in memory, and in a file that several runs may share.

The file is a log of records, each with a mark, its length and a checksum. A record that was cut
off or damaged is passed over, the good ones behind it are still found.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_MARK = b"\xf0farm1\n"
_HEAD = struct.Struct(f"<{len(_MARK)}sI8s16s")  # mark, length, checksum, key
_COMPACT = 2.0  # a file with so many times the bytes that are wanted is written anew


def digest(*parts: bytes) -> bytes:
    """Return a key of 16 bytes that depends on all parts."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        hashed.update(struct.pack("<Q", len(part)))
        hashed.update(part)
    return hashed.digest()


def keys_of(base: bytes, columns: Mapping[str, Any], count: int) -> list[bytes]:
    """Return the key of every member (n,) from its inputs, bit for bit."""
    arrays = {n: v for n, v in sorted(columns.items()) if not isinstance(v, str)}
    common = sorted((n, v) for n, v in columns.items() if isinstance(v, str))
    kinds = [(name, array.dtype.str, array.shape[1:]) for name, array in arrays.items()]
    whole = digest(base, repr((kinds, common)).encode())
    parts = [
        np.ascontiguousarray(array).reshape(count, -1).view(np.uint8) for array in arrays.values()
    ]
    rows = np.concatenate([np.zeros((count, 0), np.uint8), *parts], axis=1)
    data, width = rows.tobytes(), rows.shape[1]
    made = hashlib.blake2b
    return [
        made(data[i * width : (i + 1) * width], digest_size=16, key=whole).digest()
        for i in range(count)
    ]


def rounded(column: Array, step: float) -> Array:
    """Return numbers rounded to multiples of a step: what the members are then called with."""
    return np.asarray(np.round(column / step) * step, dtype=column.dtype)


class Store:
    """A mapping from keys to bytes that forgets what was not used for longest.

    Parameters
    ----------
    limit
        Bytes it may hold.
    path
        The file behind it; None: memory only.

    Attributes
    ----------
    notices
        What was found wrong with the file, one sentence each.
    """

    def __init__(self, limit: int, path: Path | None = None) -> None:
        self.limit, self.path = limit, path
        self.notices: list[str] = []
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0
        self._new: list[bytes] = []
        if path is not None:
            self._read(path)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """Return what was kept under a key, None if nothing was."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value; `flush` writes it to the file."""
        if key in self._entries:
            return
        self._keep(key, value)
        if self.path is not None:
            self._new.append(_record(key, value))

    def _keep(self, key: bytes, value: bytes) -> None:
        old = self._entries.pop(key, b"")
        self._entries[key] = value
        self._size += len(value) - len(old) + _HEAD.size * (not old)
        while self._size > self.limit and len(self._entries) > 1:
            _, gone = self._entries.popitem(last=False)
            self._size -= len(gone) + _HEAD.size

    def flush(self) -> None:
        """Append what is new to the file."""
        if not self._new or self.path is None:
            return
        data, self._new = b"".join(self._new), []
        with _locked(self.path), self.path.open("ab") as file:
            file.write(data)

    def _read(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            data = path.read_bytes() if path.exists() else b""
            good = 0
            for key, value in _records(data):
                self._keep(key, value)
                good += _HEAD.size + len(value)
            damaged = len(data) - good
            if damaged:
                self.notices.append(
                    f"The cache {path} has {damaged} damaged bytes; they are left out, and its"
                    f" {len(self)} good answers are used."
                )
            if damaged or len(data) > _COMPACT * self.limit:
                self._write(path)

    def _write(self, path: Path) -> None:
        """Write the file anew with what is held."""
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(b"".join(_record(key, value) for key, value in self._entries.items()))
        new.replace(path)


def _record(key: bytes, value: bytes) -> bytes:
    return _HEAD.pack(_MARK, len(value), _checksum(key, value), key) + value


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(key + value, digest_size=8).digest()


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the good records of a file; after a bad one look for the next mark."""
    at = data.find(_MARK)
    while at >= 0 and at + _HEAD.size <= len(data):
        _, length, checksum, key = _HEAD.unpack_from(data, at)
        value = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(value) == length and _checksum(key, value) == checksum:
            yield key, value
            at = data.find(_MARK, at + _HEAD.size + length)
        else:
            at = data.find(_MARK, at + 1)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other runs that share the file out."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def source_digest(folder: Path, names: Sequence[str] = ("*.py",)) -> bytes:
    """Return a digest of the sources in a folder: a changed kernel must not find old answers."""
    files = sorted(path for name in names for path in folder.glob(name))
    return digest(*(part for path in files for part in (path.name.encode(), path.read_bytes())))
