"""One SSH connection: its admission, its logins, its hold on a sandbox, and its record."""

import asyncio
import logging
import random
from collections.abc import Awaitable
from time import monotonic
from typing import Final

import asyncssh

from hermes.errors import LeaseError
from hermes.evidence import events as ev
from hermes.evidence.record import SessionRecord
from hermes.guest import GuestChannel
from hermes.ssh.channel import Channel
from hermes.ssh.context import Context
from hermes.ssh.hold import Hold
from hermes.ssh.limits import Startups, overdue
from hermes.ssh.logins import Logins
from hermes.ssh.packets import Packets
from hermes.ssh.policy import visitor_of
from hermes.ssh.sockets import unmapped

log = logging.getLogger(__name__)

_OPEN_FAILED: Final = "open failed"
_LONGEST_TEXT: Final = 255


class Session(asyncssh.SSHServer):
    """What asyncssh asks while one connection lasts; all its facts are its own."""

    record: SessionRecord
    visitor: str
    source: tuple[str, int]
    destination: tuple[str, int]
    user: str
    packets: Packets
    _logins: Logins
    _hold: Hold

    def __init__(self, context: Context) -> None:
        self.user = ""
        self._context = context
        self._last_activity = self._started = monotonic()
        self._connection: asyncssh.SSHServerConnection | None = None
        self._reason: str | None = None
        self._identified = False
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def logged_in(self) -> bool:
        """Whether a credential was accepted."""
        return self._logins.succeeded

    @property
    def age_seconds(self) -> float:
        """How long the connection has lasted."""
        return monotonic() - self._started

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Begin the record, and drop at once what is one too many."""
        context = self._context
        self._connection = conn
        self.packets = Packets(conn)
        # asyncssh would read its options again for each user name, for Match blocks: none here.
        conn.reload_config = _nothing  # type: ignore[method-assign]
        self.source = _address(conn.get_extra_info("peername"))
        self.destination = _address(conn.get_extra_info("sockname"))
        self.visitor = visitor_of(self.source[0])
        refusal = self._refusal()
        self.record = context.desk.begin()
        self._logins = Logins(self.record, context.auth, context.policy, self.visitor)
        most_channels = context.limits.channels_per_session
        self._hold = Hold(self.record, context.lessor, self.visitor, most_channels)
        context.sessions[self.record.session] = self
        self._add_connected()
        if refusal is not None:
            self.end(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give everything back and end the record."""
        self._identify()
        self._connection = None
        self._reason = self._reason or _why(exc)
        self._context.sessions.pop(self.record.session, None)
        self._hold.release()
        self._close_record_when_over()

    def end(self, reason: str) -> None:
        """Cut the connection, as a network would; ``reason`` goes into the record only."""
        if self._connection is not None:
            self._reason = self._reason or reason
            self._connection.abort()

    def abandon(self) -> None:
        """Cancel the programs of a connection that does not end, so that nobody waits for them."""
        for task in self._serving:
            task.cancel()

    def overdue(self) -> str | None:
        """Name the limit that the session has reached, if any."""
        return overdue(
            self._context.limits,
            logged_in=self.logged_in,
            age_seconds=self.age_seconds,
            idle_seconds=monotonic() - self._last_activity,
        )

    def active(self) -> None:
        """Note that bytes went either way."""
        self._last_activity = monotonic()

    def begin_auth(self, username: str) -> bool:
        """Every user name has to authenticate."""
        self.user = username
        return True

    def password_auth_supported(self) -> bool:
        """Offer passwords."""
        return True

    def kbdint_auth_supported(self) -> bool:
        """Offer no keyboard-interactive: Debian's sshd_config turns it off."""
        return False

    def public_key_auth_supported(self) -> bool:
        """Offer keys, so that the list of methods is sshd's; none is accepted."""
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        """Let the logins judge a password."""
        self._identify()
        accepted = await self._logins.password(username, password)
        self._hang_up_when_exhausted()
        return accepted

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Let the logins judge a key."""
        self._identify()
        accepted = self._logins.key(username, key.get_fingerprint())
        self._hang_up_when_exhausted()
        return accepted

    def auth_completed(self) -> None:
        """Note that the attacker is in."""
        self._logins.succeeded = True
        self.active()

    def session_requested(self) -> Awaitable[Channel]:
        """Open a session channel once there is a sandbox for it."""
        return self._open_channel()

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        """Refuse direct-tcpip, and keep where it should have gone."""
        del orig_host, orig_port
        self.active()
        self.record.add(
            ev.ForwardRequested(
                **self.record.stamp(),
                target_host=dest_host[:_LONGEST_TEXT],
                target_port=dest_port,
            )
        )
        return False

    async def _open_channel(self) -> Channel:
        try:
            lease, number = await self._hold.enter()
        except LeaseError as error:
            self.record.add(
                ev.ChannelRefused(**self.record.stamp(), kind="session", reason=str(error))
            )
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, _OPEN_FAILED) from error
        return Channel(self, lease, number)

    def channel_closed(self) -> None:
        """Give back the place that a channel held."""
        self._hold.leave()
        self.active()

    def serve(self, channel: Channel) -> None:
        """Run a channel's program in the listener's task group."""
        name = f"channel-{self.record.session}"
        task = self._context.tasks.create_task(channel.serve(), name=name)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _task: self._close_record_when_over())

    def hang_up(self, guest: GuestChannel) -> None:
        """Close a program in the listener's task group: nobody waits for it."""
        self._context.tasks.create_task(_close(guest), name=f"hang-up-{self.record.session}")

    def environment(self) -> dict[str, str]:
        """What sshd tells a program about its connection (ssh(1), ENVIRONMENT)."""
        client, host = self.source, self.destination[0]
        port = self._context.public_port or self.destination[1]
        return {
            "SSH_CLIENT": f"{client[0]} {client[1]} {port}",
            "SSH_CONNECTION": f"{client[0]} {client[1]} {host} {port}",
        }

    def _refusal(self) -> str | None:
        context, limits = self._context, self._context.limits
        if context.desk.writer.failure is not None:
            return "evidence cannot be written"
        if len(context.sessions) >= limits.sessions:
            return "too many sessions"
        if context.connections_of(self.visitor) >= limits.sessions_per_visitor:
            return "too many sessions of this visitor"
        if Startups(*limits.startups).refuses(context.not_logged_in(), random.random()):  # noqa: S311 - a lot, no secret
            return "too many connections not logged in"
        return None

    def _close_record_when_over(self) -> None:
        """End the record after the connection and the last channel, whichever is later."""
        if self._connection is None and not self._serving:
            self.record.close(
                ev.SessionClosed(
                    **self.record.stamp(), reason=self._reason or "", seconds=self.age_seconds
                )
            )

    def _hang_up_when_exhausted(self) -> None:
        if self._logins.exhausted and self._connection is not None:
            self._reason = "too many authentication failures"
            self._connection.disconnect(
                asyncssh.DISC_PROTOCOL_ERROR, "Too many authentication failures"
            )

    def _add_connected(self) -> None:
        self.record.add(
            ev.SessionConnected(
                time=self.record.started,
                session=self.record.session,
                source_ip=self.source[0],
                source_port=self.source[1],
                destination_ip=self.destination[0],
                destination_port=self.destination[1],
            )
        )

    def _identify(self) -> None:
        """Record the client's version, once it is known."""
        if self._identified or self._connection is None:
            return
        version = self._connection.get_extra_info("client_version")
        if version:
            self._identified = True
            self.record.add(
                ev.ClientIdentified(**self.record.stamp(), version=str(version)[:_LONGEST_TEXT])
            )


def _address(name: tuple[str, int]) -> tuple[str, int]:
    return unmapped(name[0]), name[1]


async def _nothing() -> None:
    """Stand in for a step that is not needed."""


async def _close(guest: GuestChannel) -> None:
    try:
        await guest.close()
    except Exception:
        # The task group is everybody's: one program that closes badly may not end it.
        log.exception("a program could not be closed")


def _why(exc: Exception | None) -> str:
    match exc:
        case None:
            return "closed by client"
        case asyncssh.ConnectionLost():
            return "connection lost"
        case asyncssh.DisconnectError(code=asyncssh.DISC_BY_APPLICATION):
            return "closed by client"
        case _:
            return f"protocol error: {exc}"[:_LONGEST_TEXT]
