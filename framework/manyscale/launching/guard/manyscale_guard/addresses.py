"""The one address at which a run's servers listen."""

from __future__ import annotations

import errno
import socket
import struct

from manyscale_guard import settings

_SIOCGIFADDR = 0x8915
_GLOBAL = "00"  # the scope of an address that is good on other hosts, in /proc/net/if_inet6
_HOST = "10"


def own() -> str:
    """Return the address of this run on this host; raise `OSError` if there is none."""
    kind, _, interface = settings.ADDRESS.partition(":")
    if settings.ADDRESS == "hostname":
        return socket.gethostbyname(socket.gethostname())
    if kind != "interface":
        return settings.ADDRESS
    found = _of_interface(interface) or _of_interface_6(interface)
    if found is None:
        raise OSError(errno.ENODEV, f"the network interface {interface} has no address here")
    return found


def is_loopback(address: str) -> bool:
    """Return whether only this host can reach an address."""
    return address.startswith("127.") or address == "::1"


def family(address: str) -> socket.AddressFamily:
    """Return the family an address belongs to."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packed(end: tuple[object, ...]) -> bytes:
    """Return one end of a connection in a form that is the same at its other end."""
    host = str(end[0]).partition("%")[0]
    return socket.inet_pton(family(host), host) + struct.pack("!H", end[1])


def written(end: tuple[object, ...]) -> str:
    """Return one end of a connection as MUSCLE3 writes it."""
    host = str(end[0])
    return f"[{host}]:{end[1]}" if ":" in host else f"{host}:{end[1]}"


def _of_interface(name: str) -> str | None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            request = struct.pack("256s", name.encode()[:15])
            answer = fcntl.ioctl(asked.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


def _of_interface_6(name: str) -> str | None:
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:  # a kernel without IPv6
        return None
    for words in rows:
        if words[5] == name and words[3] in (_GLOBAL, _HOST):
            return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0]))
    return None
