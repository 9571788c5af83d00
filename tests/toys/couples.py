"""Two models that exchange numbers, one of them in a program of another kind."""

import os
import socket
from pathlib import Path

import psutil
import yaml

from manyscale import testing
from manyscale.hosting import telemetry
from manyscale.testing import Component

ROOT = Path(__file__).parents[2]
PATH = [str(ROOT / folder) for folder in ("tests", "framework", "plugins")]
EXCHANGE = {"a.shown": "b.seen", "b.shown": "a.seen"}
EXCHANGE_HANGS = {"a.fault": "hang", "a.where": "s"}
_PLAIN = f"""import sys
sys.path[:0] = {PATH!r}
from manyscale.hosting.muscle import main
sys.exit(main(*sys.argv[1:]))
"""
_CUT = f"""import sys
sys.path[:0] = {PATH!r}
from libmuscle.mcp.tcp_transport_client import TcpTransportClient as Client

call = Client.call

def cut(self, *arguments):
    if self._cur_request % 4 == 3:
        self._socket.shutdown(2)
    return call(self, *arguments)

Client.call = cut
from manyscale.hosting.muscle import main
sys.exit(main(*sys.argv[1:]))
"""


def pair(folder, program=None, both=False, **settings):
    """A spec of a and b; `program` is changed in the program of b, or of both."""
    components = {name: Component("toys.trouble:Trouble") for name in "ab"}
    settings = {"a.record": "shown; last", "b.record": "shown; last", **settings}
    path = testing.write_spec(folder, components, EXCHANGE, settings, {"a": "b"})
    spec = yaml.safe_load(path.read_text())
    for name in "ab" if both else "b":
        spec["programs"][f"program_of_{name}"] |= program or {}
    path.write_text(yaml.safe_dump(spec))
    return path


def isolated(folder, how="isolated"):
    """A program in a Python without the environment; `cut` loses its connections now and then."""
    script = folder / "isolated.py"
    script.write_text(_CUT if how == "cut" else _PLAIN)
    return {"args": ["-I", str(script), "toys.trouble:Trouble"]}


def hangs(run):
    """Whether a has come to where it hangs, and b waits for it."""
    at = {name: telemetry.read(run / "instances" / name / "workdir") for name in "ab"}
    return all(at.values()) and at["a"].doing == "s" and at["b"].doing == "receiving seen"


def lives(pid):
    """Whether a process is there and has not ended."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def listening(pids):
    """Address and port, as the kernel writes them, where any of these processes listens."""
    held = {link for pid in pids for link in links(pid)}
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in held:
                host, port = words[1].split(":")
                found.add((host, int(port, 16)))
    return found


def links(pid):
    """What the descriptors of a process are."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:
            continue
    return found


def other_addresses():
    """Addresses of this machine that other machines can reach, IPv4 first."""
    found = [one for some in psutil.net_if_addrs().values() for one in some]
    found = [one for one in found if one.family in (socket.AF_INET, socket.AF_INET6)]
    addresses = [one.address for one in sorted(found, key=lambda one: one.family)]
    return [a for a in addresses if not a.startswith(("127.", "::1", "fe80"))]
