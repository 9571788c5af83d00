"""Which layers of the fast path an instance uses, and what of libmuscle they rely on."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import sys
from pathlib import Path

from manyscale.contract.refusal import Refused, nearest
from manyscale.hosting.transport import local_socket
from manyscale.hosting.transport.segments import Segment

VARIABLE = "MANYSCALE_MESSAGES"
LAYERS = ("payload", "ring", "spin", "lean")
WORDS = ("fast", "stock", *LAYERS)

READ = {
    "communicator": "1e37920b23afe056490d131f0e02246248f9a2c82afdf83b2020e5a5d63264a3",
    "mmp_client": "1b99bbdcfb91c6bcc371ba23af5b43510dc9d62020f688919d2e5c3c16456bf2",
    "mpp_message": "8c0ad89955d1c44147bb2bc6835a71d1643ecebd7a33a8dac43b6ba2af1aa272",
    "mpp_server": "e1d67e42a3474d3530b85a06cc57927217cf98b2ce8f2ee303c35d623ef5687c",
    "outbox": "a540d886f20a227d9545680595bc6cac0aaeecc87fcc284cafb598592f34775b",
    "post_office": "992378458b59e8e761366bfba340bf65f14091ddc4abaa4f4d56f2ab84a039e4",
    "profiler": "31ffca53a91fb6f6f5acad9e5450ca90dff4733685de8f161d699293d9595aec",
    "profiling": "95039d326d61b5f6ede73cfda4fb528d82ca31249eaf7507d5148db021c62a7c",
}
"""SHA-256 of the modules of libmuscle 0.11.0 whose private names are used, as they were read."""

_OFFICE = ("mpp_server", "outbox", "post_office")
_RELIES = {
    "payload": ("mpp_message", *_OFFICE),
    "ring": _OFFICE,
    "lean": ("communicator", "mmp_client", "mpp_message", "profiler", "profiling"),
}


def asked(text: str | None = None) -> frozenset[str]:
    """Return the layers that `text` asks for, or `MANYSCALE_MESSAGES`; all if neither says.

    Raises `Refused` for an unknown word.
    """
    given = text or os.environ.get(VARIABLE) or "fast"
    words = [word.strip() for word in given.split(",") if word.strip()]
    for word in words:
        if word not in WORDS:
            raise Refused(
                f"{'--messages' if text else VARIABLE} is {given!r}, and {word!r} is no layer of"
                f" messages.{nearest(word, WORDS)}"
            )
    return frozenset(LAYERS) if "fast" in words else frozenset(words) - {"stock"}


def possible(wanted: frozenset[str]) -> tuple[frozenset[str], dict[str, str]]:
    """Return those of the wanted layers that work here, and why the others do not."""
    why = {layer: reason for layer in wanted if (reason := _hindrance(layer))}
    if "spin" in wanted and "ring" not in wanted - why.keys():
        why["spin"] = "there is no ring to look at"
    return wanted - why.keys(), why


def _hindrance(layer: str) -> str:
    """Return why a layer cannot work here, nothing if it can."""
    if layer != "lean" and (lacking := _lacking()):
        return lacking
    if layer in ("ring", "spin") and platform.machine() not in ("x86_64", "AMD64"):
        # the order in which two processes see one another's writes is that of x86
        return f"the order of writes to memory on {platform.machine()} is not provided for"
    strange = [name for name in _RELIES.get(layer, ()) if not _is_as_read(name)]
    if strange:
        return f"libmuscle.{strange[0]} is not the one that was read (muscle3 0.11.0)"
    return ""


@functools.cache
def _lacking() -> str:
    """Return what this system lacks, after trying everything once."""
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        return "this system has no anonymous shared memory (memfd)"
    try:
        local_socket.this_host()
        local_socket.listening()[0].close()
        Segment(0, 1).close()
    except OSError as exc:
        return f"this system does not allow what shared memory needs: {exc.strerror}"
    return ""


def _is_as_read(name: str) -> bool:
    """Return whether a module of libmuscle is, byte for byte, what the layers were written for."""
    found = importlib.util.find_spec(f"libmuscle.{name}")
    if found is None or found.origin is None:
        return False
    try:
        source = Path(found.origin).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(source).hexdigest() == READ[name]
