"""Guards libmuscle's TCP servers and clients."""

from __future__ import annotations

from typing import Any

from manyscale_guard import addresses, connections, frames, refusals, settings
from manyscale_guard.handshake import StrangerError
from manyscale_guard.secret import secret

_QUEUE = 128  # connections that are not accepted yet; all instances start at once


def guard_server(module: Any) -> None:
    """Let servers listen at one address, and take in only who proves itself."""
    server = module.TcpTransportServerImpl
    begin, finish, process = server.__init__, server.finish_request, server.process_request

    def begin_alone(
        self: Any, host_port_tuple: Any, streamhandler: Any, transport_server: Any
    ) -> None:
        secret()  # whoever cannot check others must not listen
        self.request_queue_size = _QUEUE
        self._waiting = connections.Waiting()
        try:
            host = addresses.own()
            self.address_family = addresses.family(host)
            # never the port that was asked for: those of other runs would be the same
            begin(self, (host, 0), streamhandler, transport_server)
        except OSError as exc:
            why = f"this host cannot listen at {settings.ADDRESS}: {exc.strerror}"
            refusals.end("address", f"{why}; name one of the addresses `ip address` lists.")
        refusals.OWN_LOCATIONS.add(transport_location(self))

    def process_request(self: Any, request: Any, client_address: Any) -> None:
        self._waiting.add(request)
        process(self, request, client_address)

    def finish_request(self: Any, request: Any, client_address: Any) -> None:
        try:
            admitted = connections.admit(request)
        except StrangerError:
            return
        finally:
            self._waiting.remove(request)
        finish(self, admitted, client_address)

    server.__init__ = begin_alone
    server.process_request = process_request
    server.finish_request = finish_request
    module.TcpTransportServer._get_if_addresses = _own_addresses
    _guard_frames(module)


def transport_location(server: Any) -> str:
    """Return where a server is reached, as libmuscle says it."""
    return f"tcp:{addresses.written(server.server_address)}"


def _own_addresses(self: Any) -> list[str]:
    host = addresses.own()
    return [f"[{host}]" if ":" in host else host]


def guard_client(module: Any) -> None:
    """Let clients prove themselves, and talk only to servers that do."""
    client = module.TcpTransportClient
    connect = client._connect

    def connect_guarded(self: Any, address: str) -> Any:
        sock = connect(self, address)
        try:
            return connections.greet(sock)
        except StrangerError as exc:
            sock.close()
            # the class that libmuscle takes for: not this address
            raise RuntimeError(f"{address} is not of this run: {exc.reason}") from None

    client._connect = connect_guarded
    _guard_frames(module)


def _guard_frames(module: Any) -> None:
    module.recv_frame = frames.receiver(module)
    module.send_frame = frames.sender(module)
