"""The facts of a session, one frozen type for each.

Each field names its place in a document of the Elastic Common Schema (ECS 8,
https://www.elastic.co/docs/reference/ecs); what ECS lacks stands under ``hermes``.
`hermes.evidence.documents` turns events into documents and back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

ECS_KEY = "ecs"


def ecs(name: str, **options: Any) -> Any:
    """Declare a dataclass field with its dotted ECS name."""
    return field(metadata={ECS_KEY: name}, **options)


@dataclass(frozen=True, kw_only=True)
class Event:
    """What every event has: a UTC time and the session whose fact it is."""

    action: ClassVar[str]
    time: datetime = ecs("@timestamp")
    session: str = ecs("hermes.session.id")


@dataclass(frozen=True, kw_only=True)
class SessionConnected(Event):
    """A TCP connection was accepted."""

    action = "session-connected"
    source_ip: str = ecs("source.ip")
    source_port: int = ecs("source.port")
    destination_ip: str = ecs("destination.ip")
    destination_port: int = ecs("destination.port")


@dataclass(frozen=True, kw_only=True)
class ClientIdentified(Event):
    """The client sent its identification line (RFC 4253, 4.2)."""

    action = "client-identified"
    version: str = ecs("user_agent.original")


@dataclass(frozen=True, kw_only=True)
class LoginAttempted(Event):
    """A credential was tried; ``fingerprint`` is SHA256 in OpenSSH's notation."""

    action = "login-attempted"
    method: Literal["password", "publickey"] = ecs("hermes.login.method")
    user: str = ecs("user.name")
    password: str | None = ecs("hermes.login.password", default=None)
    fingerprint: str | None = ecs("hermes.login.fingerprint", default=None)
    outcome: Literal["success", "failure"] = ecs("event.outcome")
    reason: str = ecs("event.reason")


@dataclass(frozen=True, kw_only=True)
class SandboxLeased(Event):
    """The session got its sandbox, ``wait_seconds`` after it needed one."""

    action = "sandbox-leased"
    sandbox: str = ecs("container.name")
    wait_seconds: float = ecs("hermes.lease.wait_seconds")


@dataclass(frozen=True, kw_only=True)
class SandboxMoved(Event):
    """A sandbox changed its state; the session is the latest in it, or empty."""

    action = "sandbox-moved"
    sandbox: str = ecs("container.name")
    state: str = ecs("hermes.sandbox.state")
    visitor: str | None = ecs("hermes.sandbox.visitor", default=None)


@dataclass(frozen=True, kw_only=True)
class ChannelOpened(Event):
    """A shell, command or subsystem was started; ``recording`` begins its files' names.

    It is None when the session may have no more files.
    """

    action = "channel-opened"
    channel: int = ecs("hermes.channel.id")
    kind: Literal["shell", "exec", "subsystem"] = ecs("hermes.channel.kind")
    command: str | None = ecs("process.command_line", default=None)
    terminal: str | None = ecs("hermes.channel.terminal", default=None)
    columns: int | None = ecs("process.tty.columns", default=None)
    rows: int | None = ecs("process.tty.rows", default=None)
    environment: Mapping[str, str] = ecs("hermes.channel.environment", default_factory=dict)
    recording: str | None = ecs("hermes.channel.recording", default=None)


@dataclass(frozen=True, kw_only=True)
class ChannelClosed(Event):
    """A channel ended; without a status or signal the attacker closed it first."""

    action = "channel-closed"
    channel: int = ecs("hermes.channel.id")
    exit_status: int | None = ecs("process.exit_code", default=None)
    exit_signal: str | None = ecs("hermes.channel.exit_signal", default=None)
    received_bytes: int = ecs("source.bytes")
    sent_bytes: int = ecs("destination.bytes")
    unrecorded_bytes: int = ecs("hermes.channel.unrecorded_bytes", default=0)
    seconds: float = ecs("hermes.channel.seconds")


@dataclass(frozen=True, kw_only=True)
class ChannelRefused(Event):
    """A channel or a request on it was refused."""

    action = "channel-refused"
    kind: str = ecs("hermes.channel.kind")
    reason: str = ecs("event.reason")


@dataclass(frozen=True, kw_only=True)
class ForwardRequested(Event):
    """The client asked for a connection to somewhere else; it was refused."""

    action = "forward-requested"
    target_host: str = ecs("destination.domain")
    target_port: int = ecs("destination.port")


@dataclass(frozen=True, kw_only=True)
class SandboxHarvested(Event):
    """What the session's sandbox had changed was taken; it may come after the session's end.

    ``files`` and ``bytes`` are those in ``changes.json``, ``artifacts`` the distinct ones kept.
    """

    action = "sandbox-harvested"
    sandbox: str = ecs("container.name")
    files: int = ecs("hermes.harvest.files")
    bytes: int = ecs("hermes.harvest.bytes")
    artifacts: int = ecs("hermes.harvest.artifacts")
    complete: bool = ecs("hermes.harvest.complete")
    seconds: float = ecs("hermes.harvest.seconds")


@dataclass(frozen=True, kw_only=True)
class SessionClosed(Event):
    """The connection ended, and why; ``dropped_events`` were more than a session may write."""

    action = "session-closed"
    reason: str = ecs("event.reason")
    seconds: float = ecs("hermes.session.seconds")
    dropped_events: int = ecs("hermes.session.dropped_events", default=0)
