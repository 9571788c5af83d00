"""Logs of a run: bounded on disk while they are written, and read from their ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

HEAD, TAIL = 2**20, 2**24  # bytes kept of a log that has grown too large
MOST = 2**26  # bytes of one log, until its middle is taken out
_PUNCH_HOLE = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
_BLOCK = 4096


def bound(run: Path, most: int = MOST) -> None:
    """Take the middle out of every log of a run that occupies more than `most` bytes.

    Whoever writes goes on where it is: the file keeps its length, its middle reads as zeros
    and occupies nothing. Where the file system cannot do that the log stays as it is.
    """
    logs = [*run.glob("*.log"), *run.glob("*.txt"), *run.glob("logs/*")]
    for path in [*logs, *run.glob("instances/*/std*.txt")]:
        with contextlib.suppress(OSError):
            told = path.stat()
            if told.st_blocks * 512 > most:
                _take_out(path, HEAD, (told.st_size - TAIL) // _BLOCK * _BLOCK)


def _take_out(path: Path, start: int, end: int) -> None:
    if end <= start:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDWR)
    try:
        offset, length = ctypes.c_int64(start), ctypes.c_int64(end - start)
        libc.fallocate(descriptor, _PUNCH_HOLE, offset, length)
    finally:
        os.close(descriptor)


def tail(path: Path, size: int = 2**16) -> str:
    """Return the end of a log, empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().lstrip(b"\0").decode(errors="replace")
    except OSError:
        return ""


def last_line(path: Path) -> str:
    """Return the last line of a log that is not empty."""
    lines = tail(path).splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
