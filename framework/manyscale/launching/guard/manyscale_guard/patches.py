"""The one table of what the guard relies on in libmuscle; an unknown libmuscle is refused."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

VERSIONS = ("0.11.",)
"""What versions of libmuscle begin with that the guard was read against."""


class Name(NamedTuple):
    """A name of libmuscle that the guard replaces or calls."""

    module: str
    path: str
    arguments: tuple[str, ...] | None = None
    """The arguments of a function, None for what is none."""


_SERVER = "libmuscle.mcp.tcp_transport_server"
_CLIENT = "libmuscle.mcp.tcp_transport_client"
_AGENTS = "libmuscle.native_instantiator.agent_manager"
_AGENT = "libmuscle.native_instantiator.agent.map_client"
_PROCESSES = "libmuscle.native_instantiator.process_manager"
_MANAGER = "libmuscle.manager.mmp_server"

TABLE = (
    Name(
        _SERVER,
        "TcpTransportServerImpl.__init__",
        ("self", "host_port_tuple", "streamhandler", "transport_server"),
    ),
    Name(_SERVER, "TcpTransportServerImpl.process_request", ("self", "request", "client_address")),
    Name(_SERVER, "TcpTransportServerImpl.finish_request", ("self", "request", "client_address")),
    Name(_SERVER, "TcpTransportServer.__init__", ("self", "handler", "port")),
    Name(_SERVER, "TcpTransportServer.get_location", ("self",)),
    Name(_SERVER, "TcpTransportServer._get_if_addresses", ("self",)),
    Name(_SERVER, "TcpHandler.handle", ("self",)),
    Name(_SERVER, "recv_int64", ("socket",)),
    Name(_SERVER, "recv_frame", ("socket",)),
    Name(_SERVER, "send_frame", ("socket", "data")),
    Name(_CLIENT, "TcpTransportClient._connect", ("self", "address")),
    Name(_CLIENT, "TcpTransportClient._make_connection", ("self",)),
    Name(_CLIENT, "TcpTransportClient.call", ("self", "request", "timeout_handler")),
    Name(_CLIENT, "recv_int64", ("socket",)),
    Name(_CLIENT, "recv_frame", ("socket",)),
    Name(_CLIENT, "send_frame", ("socket", "data")),
    Name(_AGENTS, "AgentManager.__init__", ("self", "agent_dir")),
    Name(_AGENTS, "AgentManager._launch_agents", ("self", "agent_dir", "server_location")),
    Name(_AGENTS, "Popen"),
    Name(_AGENT, "MAPClient.__init__", ("self", "node_name", "location")),
    Name(_AGENT, "MAPClient._call_agent_manager", ("self", "request")),
    Name(
        _PROCESSES,
        "ProcessManager.start",
        ("self", "name", "work_dir", "args", "env", "stdout", "stderr"),
    ),
    Name(_PROCESSES, "ProcessManager.cancel_all", ("self",)),
    Name(_PROCESSES, "ProcessManager.get_finished", ("self",)),
    Name(_PROCESSES, "Popen"),
)

SPARED = (
    Name(_AGENT, "MAPClient.get_command", ("self",)),
    Name(_MANAGER, "ResponseType.PENDING"),
    Name(_MANAGER, "MMPRequestHandler._get_peers", ("self", "instance_id")),
    Name(
        _MANAGER,
        "MMPRequestHandler._register_instance",
        ("self", "instance_id", "locations", "ports", "version"),
    ),
)
"""What only makes a run start sooner: where it is not as known, it is left alone."""


def apply(module: ModuleType) -> None:
    """Patch one module of libmuscle, or end this process because it is an unknown one."""
    _refuse_unknown(module)
    if module.__name__ == _SERVER:
        from manyscale_guard.transport import guard_server as guard
    elif module.__name__ == _CLIENT:
        from manyscale_guard.transport import guard_client as guard
    elif module.__name__ == _AGENTS:
        from manyscale_guard.children import guard_agent_manager as guard
    elif module.__name__ == _PROCESSES:
        from manyscale_guard.children import guard_process_manager as guard
    elif module.__name__ == _AGENT:
        from manyscale_guard.lease import guard_agent as guard
    elif module.__name__ == _MANAGER:
        _hasten(module)
        return
    else:
        _refuse_unpatched()
        return
    guard(module)
    _hasten(module)


def _hasten(module: ModuleType) -> None:
    """Patch what a run starts sooner with, if it is as known."""
    why = missing(module, SPARED)
    if why is not None:
        from logging import getLogger

        getLogger(__name__).info("%s is left as it is: %s", module.__name__, why)
    elif module.__name__ == _AGENT:
        from manyscale_guard.pace import guard_pace

        guard_pace(module)
    elif module.__name__ == _MANAGER:
        from manyscale_guard.arrivals import guard_arrivals

        guard_arrivals(module)


def missing(module: ModuleType, table: tuple[Name, ...] = TABLE) -> str | None:
    """Return what a module lacks of what a table says about it, None if it is as known."""
    for name in table:
        if name.module == module.__name__:
            found: Any = module
            for part in name.path.split("."):
                found = getattr(found, part, None)
            if found is None:
                return f"{name.path} is missing"
            if name.arguments is not None and _arguments(found) != name.arguments:
                return f"{name.path} takes other arguments"
    return None


def _arguments(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return () if code is None else tuple(code.co_varnames[: code.co_argcount])


def _refuse_unknown(module: ModuleType) -> None:
    from libmuscle.version import __version__

    why = missing(module)
    if not __version__.startswith(VERSIONS):
        why = "only " + ", ".join(f"{known}*" for known in VERSIONS) + " is known"
    if why is not None:
        _refuse(f"libmuscle {__version__} at {module.__file__}", f"{module.__name__}: {why}")


def _refuse_unpatched() -> None:
    """Refuse a libmuscle that has come up without the modules that were to be patched."""
    for name in (_SERVER, _CLIENT):
        if name not in sys.modules:
            _refuse("libmuscle", f"it has no {name}")


def _refuse(what: str, why: str) -> NoReturn:
    from manyscale_guard import refusals

    refusals.end("libmuscle", f"{what} cannot be guarded: {why}; install muscle3>=0.11,<0.12.")
