"""The journal of a study: one line per finished sample, whole or not there.

A line is written and handed to the system when its sample is done, so that what was finished
when a study was killed is never computed again; a line that was cut off is not a finished one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from manyscale.contract.refusal import Refused

FILE = "samples.journal"
_SYNC = 1.0  # s between two times the disk is told to keep what was written


@dataclass(frozen=True)
class Answer:
    """What became of a sample: the quantities of interest (q,), or a sentence why not."""

    y: tuple[float, ...] = ()
    failure: str = ""


class Journal:
    """The answers of a study, in memory and on disk; one process at a time holds it.

    Raises `Refused` if the file is another study's, damaged, or held by another process.
    """

    def __init__(self, folder: Path, study: str) -> None:
        self._path = folder / FILE
        self._file = self._path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Refused(
                f"{folder} is being run by another process; wait for it, or end it."
            ) from None
        self.answers: dict[int, Answer] = {}
        self._synced = time.monotonic()
        try:
            self._read(study)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep everything, and let go of it; doing so again changes nothing."""
        if not self._file.closed:
            self._file.flush()
            with contextlib.suppress(OSError):
                os.fsync(self._file.fileno())
            self._file.close()

    def add(self, member: int, answer: Answer) -> None:
        """Write down what became of a sample."""
        words: dict[str, Any] = {"member": member}
        words |= {"failure": answer.failure} if answer.failure else {"y": list(answer.y)}
        self._write(words)
        self.answers[member] = answer

    def forget(self, members: Sequence[int]) -> None:
        """Let samples be computed again."""
        for member in members:
            self._write({"member": member, "again": True})
            self.answers.pop(member, None)

    @property
    def failures(self) -> dict[int, str]:
        """Why samples failed, by member."""
        return {m: a.failure for m, a in sorted(self.answers.items()) if a.failure}

    def _write(self, words: dict[str, Any]) -> None:
        text = json.dumps(words).encode()
        try:
            self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
            self._file.flush()
        except OSError as exc:
            raise Refused(f"{self._path} cannot be written: {exc.strerror}.") from None
        if time.monotonic() - self._synced > _SYNC:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _read(self, study: str) -> None:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        lines = data[:whole].splitlines()
        if not lines:
            self._write({"study": study})
            return
        words = [self._line(number, line) for number, line in enumerate(lines, 1)]
        if words[0].get("study") != study:
            raise Refused(f"{self._path} belongs to another study; resume the one it was made by.")
        for one in words[1:]:
            if one.get("again"):
                self.answers.pop(one["member"], None)
            else:
                y = tuple(one.get("y", ()))
                self.answers[one["member"]] = Answer(y, one.get("failure", ""))

    def _line(self, number: int, line: bytes) -> dict[str, Any]:
        checksum, _, text = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(text):
            raise Refused(
                f"{self._path}, line {number}, is damaged; take it out of the file to have its"
                " sample computed again."
            )
        found: dict[str, Any] = json.loads(text)
        return found
