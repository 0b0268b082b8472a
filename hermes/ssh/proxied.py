"""Connections that a trusted proxy passes on, before SSH begins on them."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

import asyncssh

from hermes.errors import ProxyHeaderError
from hermes.settings import Network
from hermes.ssh.context import Context
from hermes.ssh.proxy_header import MOST_BYTES, Header, read_header
from hermes.ssh.sockets import unmapped

log = logging.getLogger(__name__)

_HEADER_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 60.0

_Factory = Callable[[str, int], asyncssh.SSHServerConnection]


class ProxiedSocket:
    """Listens in place of asyncssh, which asks it as it would ask a tunnel."""

    def __init__(
        self, bound: socket.socket, backlog: int, proxies: Sequence[Network], context: Context
    ) -> None:
        self._bound = bound
        self._backlog = backlog
        self._proxies = proxies
        self._context = context
        self._quiet_until = 0.0

    async def create_server(
        self, session_factory: _Factory, listen_host: str, listen_port: int
    ) -> asyncio.AbstractServer:
        """Open it; the server is asyncssh's to close."""
        return await asyncio.get_running_loop().create_server(
            lambda: _Greeting(self, lambda: session_factory(listen_host, listen_port)),
            sock=self._bound,
            backlog=self._backlog,
        )

    def trusts(self, host: str) -> bool:
        """Whether a peer is a proxy."""
        address = ipaddress.ip_address(unmapped(host))
        return any(address in network for network in self._proxies)

    def enter(self, transport: asyncio.Transport) -> bool:
        """Count a connection that waits for its header, unless there are too many.

        Nothing is known of the visitor yet, so the chance of sshd's MaxStartups comes later.
        """
        if self._context.not_logged_in() >= self._context.limits.startups[2]:
            return False
        self._context.greeted.add(transport)
        return True

    def leave(self, transport: asyncio.Transport) -> None:
        """Count it no longer; idempotent."""
        self._context.greeted.discard(transport)

    def complain(self, host: str, reason: str) -> None:
        """Log what a proxy did wrong, now and then."""
        if monotonic() >= self._quiet_until:
            self._quiet_until = monotonic() + _QUIET_SECONDS
            log.warning("a connection of the proxy %s has no PROXY header: %s", host, reason)


class _Greeting(asyncio.Protocol):
    """Waits for the header of a proxy, and hands the connection over to SSH."""

    _transport: asyncio.Transport

    def __init__(
        self, door: ProxiedSocket, make: Callable[[], asyncssh.SSHServerConnection]
    ) -> None:
        self._door = door
        self._make = make
        self._host = ""
        self._data = b""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait, or not: a peer that is no proxy has nothing to say about itself."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is a stream
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if peer is None:  # it has gone already
            transport.abort()
        elif not self._door.trusts(peer[0]):
            self._hand_over(Header(0))
        elif self._door.enter(transport):
            self._host = peer[0]
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(
                _HEADER_SECONDS, self._refuse, f"none came within {_HEADER_SECONDS:g} s"
            )
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on until the header is whole."""
        self._data += data
        try:
            header = read_header(self._data[:MOST_BYTES])
        except ProxyHeaderError as error:
            self._refuse(str(error))
        else:
            if header is not None:
                self._hand_over(header)

    def eof_received(self) -> None:
        """Complain of half a header, but not of a proxy that only looks whether we are there."""
        if self._data:
            self._refuse("it is cut short")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        del exc
        self._leave()

    def _refuse(self, reason: str) -> None:
        self._leave()
        if not self._transport.is_closing():
            self._door.complain(self._host, reason)
            self._transport.abort()

    def _leave(self) -> None:
        self._door.leave(self._transport)
        if self._deadline is not None:
            self._deadline.cancel()

    def _hand_over(self, header: Header) -> None:
        self._leave()
        connection = self._make()
        if header.source is not None:
            connection.set_extra_info(peername=header.source, sockname=header.destination)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        rest = self._data[header.size :]
        if rest and not self._transport.is_closing():
            connection.data_received(rest)
