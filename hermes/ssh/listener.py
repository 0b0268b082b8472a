"""The listening sockets and everything that lives as long as they do."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import asyncssh

from hermes.errors import SettingsError
from hermes.evidence.record import Desk
from hermes.guest import Lessor
from hermes.settings import AuthSettings, LimitSettings, Network
from hermes.ssh.context import Context
from hermes.ssh.door import Door
from hermes.ssh.host_keys import HostKeys
from hermes.ssh.policy import read_userdb
from hermes.ssh.proxied import ProxiedSocket
from hermes.ssh.session import Session
from hermes.ssh.sockets import address_of

log = logging.getLogger(__name__)

_TICK_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 5.0
_BACKLOG: Final = 128
_SOFTWARE: Final = "SSH-2.0-"


@dataclass(frozen=True)
class SessionStatus:
    """One session that is open now."""

    session: str
    source_ip: str
    user: str
    logged_in: bool
    age_seconds: float


class Listener:
    """Accepts attackers while `serve` runs; `drain` and `close` end it.

    ``banner`` returns the whole identification line, which may change.
    """

    def __init__(
        self,
        *,
        door: Door,
        auth: AuthSettings,
        limits: LimitSettings,
        desk: Desk,
        lessor: Lessor,
        tasks: asyncio.TaskGroup,
        banner: Callable[[], str],
        public_port: int | None = None,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._door = door
        self._proxies = proxies
        self._userdb = auth.userdb
        self._context = Context(auth, limits, door.policy, desk, lessor, tasks, public_port)
        self._banner = banner
        self._version = ""
        self._acceptors: list[asyncssh.SSHAcceptor] = []

    @property
    def addresses(self) -> list[str]:
        """Where it listens, each as ``HOST:PORT``."""
        return [address_of(bound) for bound in self._door.sockets]

    async def start(self, keys: HostKeys) -> None:
        """Open the door."""
        self._version = self._banner().removeprefix(_SOFTWARE)
        options = _options(keys, self._version, lambda: Session(self._context))
        for bound in self._door.sockets:
            self._acceptors.append(await self._accept(bound, options))

    async def _accept(
        self, bound: socket.socket, options: asyncssh.SSHServerConnectionOptions
    ) -> asyncssh.SSHAcceptor:
        if not self._proxies:
            return await asyncssh.listen(sock=bound, options=options, backlog=_BACKLOG)
        tunnel = ProxiedSocket(bound, _BACKLOG, self._proxies, self._context)
        # Of a tunnel it wants no more than to open a server and to close it.
        return await asyncssh.listen(tunnel=tunnel, options=options)

    async def serve(self) -> None:
        """End overdue sessions and follow userdb and banner, until cancelled."""
        stamp = await asyncio.to_thread(_stamp, self._userdb)
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for session in list(self._context.sessions.values()):
                if reason := session.overdue():
                    session.end(reason)
            if stamp != (stamp := await asyncio.to_thread(_stamp, self._userdb)):
                await self._follow_userdb()
            self._follow_banner()

    async def use_userdb(self, path: Path | None) -> None:
        """Read a userdb and bring it into force; raises SettingsError, and keeps the old one."""
        self._context.policy.userdb = await asyncio.to_thread(read_userdb, path)
        self._userdb = path
        log.info("the userdb was reloaded")

    async def _follow_userdb(self) -> None:
        try:
            await self.use_userdb(self._userdb)
        except SettingsError as error:
            log.error("the userdb was not reloaded: %s", error)  # noqa: TRY400 - one sentence

    def _follow_banner(self) -> None:
        version = self._banner().removeprefix(_SOFTWARE)
        if version != self._version:
            self._version = version
            for acceptor in self._acceptors:
                acceptor.update(server_version=version)

    def _refuse_more(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        for transport in list(self._context.greeted):
            transport.abort()

    async def drain(self) -> None:
        """Take no new connection, and give those that are open some seconds."""
        self._refuse_more()
        deadline = monotonic() + self._context.limits.drain_seconds
        while self._context.sessions and monotonic() < deadline:
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Cut what is left, and give up on what does not end in some seconds; idempotent."""
        self._refuse_more()
        self._acceptors.clear()
        for session in list(self._context.sessions.values()):
            session.end("service stopped")
        deadline = monotonic() + _CLOSE_SECONDS
        while self._context.sessions and monotonic() < deadline:
            await asyncio.sleep(0.01)
        for name, session in self._context.sessions.items():
            log.error("session %s did not end in %g s", name, _CLOSE_SECONDS)
            session.abandon()
        self._context.sessions.clear()

    def status(self) -> list[SessionStatus]:
        """List the sessions that are open now, the oldest first."""
        return [
            SessionStatus(
                session.record.session,
                session.source[0],
                session.user,
                session.logged_in,
                round(session.age_seconds, 1),
            )
            for session in self._context.sessions.values()
        ]


def _options(
    keys: HostKeys, version: str, factory: Callable[[], Session]
) -> asyncssh.SSHServerConnectionOptions:
    return asyncssh.SSHServerConnectionOptions(
        server_factory=factory,
        server_host_keys=keys,
        server_version=version,
        encoding=None,
        line_editor=False,
        login_timeout=0,
        keepalive_interval=0,
        gss_host=None,
        gss_kex=False,
        agent_forwarding=False,
        x11_forwarding=False,
        compression_algs=["none", "zlib@openssh.com"],
        max_pktsize=32768,
    )


def _stamp(path: Path | None) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):  # unreadable now: the rules in force stay
        if path is not None:
            status = path.stat()
            return status.st_mtime_ns, status.st_size
    return None
