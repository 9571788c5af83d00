"""The secret of a run: 32 bytes that reach a process by descriptor or by file, never by name."""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import stat

from manyscale_guard import processes, refusals, settings

SIZE = 32


def derived(secret: bytes, label: str, *parts: bytes) -> bytes:
    """Return what only a holder of the secret can compute; each label has a domain of its own."""
    lengths = b"".join(len(part).to_bytes(4, "big") for part in parts)
    text = b"\0".join([b"manyscale", label.encode(), lengths]) + b"".join(parts)
    return hmac.new(secret, text, hashlib.sha256).digest()


def name_of(secret: bytes) -> str:
    """Return by what a secret can be recognised without being known."""
    return derived(secret, "name").hex()[:16]


@functools.lru_cache(maxsize=1)
def secret() -> bytes:
    """Return the secret of this process's run; end the process if it is not to be had."""
    kind, _, place = settings.WHERE.partition(":")
    if kind == "fd" and place.isdigit():
        found = _inherited(int(place))
    elif kind == "file" and place:
        found = _private(place)
    else:
        refusals.end("secret", f"MANYSCALE_GUARD={settings.WHERE!r} names no secret.")
    if found is None:
        refusals.end(
            "secret",
            "the run's secret did not reach this process; a program between it and the run's"
            " agent runs in a container or as another user.",
        )
    return found


def descriptors() -> tuple[int, ...]:
    """Return what has to be handed on to a guarded child beside its environment."""
    kind, _, place = settings.WHERE.partition(":")
    secret()
    return (int(place),) if kind == "fd" and _right(_content(int(place))) else ()


def _inherited(number: int) -> bytes | None:
    """Read descriptor `number`, here or, where a launcher has closed it, from an ancestor."""
    found = _right(_content(number))
    for ancestor in processes.ancestors(os.getpid()):
        if found is not None:
            break
        try:
            opened = os.open(f"/proc/{ancestor}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        found = _right(_content(opened))
        os.close(opened)
    return found


def _private(path: str) -> bytes | None:
    """Read a file that is ours and that nobody else may read."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        refusals.end("secret", f"{path} cannot be read: {exc.strerror}.")
    told = os.fstat(opened)
    if not stat.S_ISREG(told.st_mode) or told.st_uid != os.geteuid() or told.st_mode & 0o077:
        refusals.end(
            "secret", f"{path} is not a file that only its owner, who runs this, may read."
        )
    found = _right(_content(opened))
    os.close(opened)
    return found


def _content(number: int) -> bytes:
    """Return what a descriptor holds, nothing if it is none or no file."""
    try:
        return os.pread(number, SIZE + 1, 0)
    except OSError:
        return b""


def _right(found: bytes) -> bytes | None:
    """Return the secret if that is what was found: a number may have come to mean another file."""
    right = len(found) == SIZE and hmac.compare_digest(name_of(found), settings.NAME)
    return found if right else None
