"""Messages of libmuscle on the wire: never larger than agreed, and few records of a channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manyscale_guard import refusals, settings
from manyscale_guard.channel import Channel


class TooLargeError(Exception):
    """A message whose announced length is no length, or beyond the limit of the run."""


def checked(length: int) -> int:
    """Return the announced length of a message; raise `TooLargeError` before it costs memory."""
    if not 0 <= length <= settings.FRAME_LIMIT:
        said = length - 2**64 if length >= 2**63 else length  # libmuscle reads no signs
        refusals.note("frame", f"a message of {said} bytes")
        raise TooLargeError(
            f"a message of {said} bytes was announced, this run takes at most"
            f" {settings.FRAME_LIMIT} (MANYSCALE_FRAME_LIMIT)."
        )
    return length


def receiver(module: Any) -> Callable[[Any], Any]:
    """Return what receives a message in a module of libmuscle."""
    from libmuscle.mcp.tcp_util import recv_all

    recv_int64 = module.recv_int64

    def recv_frame(sock: Any) -> Any:
        return recv_all(sock, checked(recv_int64(sock)))

    return recv_frame


def sender(module: Any) -> Callable[[Any, Any], None]:
    """Return what sends a message in a module of libmuscle."""
    send_frame = module.send_frame

    def send(sock: Any, data: Any) -> None:
        if isinstance(sock, Channel):
            sock.sendall(len(memoryview(data)).to_bytes(8, "little"), data)
        else:
            send_frame(sock, data)

    return send
