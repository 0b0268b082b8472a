"""The story of one session: its events folded into what ``session.json`` says. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hermes.evidence import events as ev
from hermes.evidence.documents import timestamp
from hermes.evidence.events import Event


@dataclass(frozen=True)
class Credential:
    """One credential tried; ``secret`` is a password or a key's fingerprint."""

    method: str
    user: str
    secret: str
    accepted: bool


@dataclass(frozen=True)
class ChannelStory:
    """One channel, from opening to end; times are seconds."""

    channel: int
    kind: str
    command: str | None
    terminal: str | None
    environment: Mapping[str, str]
    recording: str
    exit_status: int | None = None
    received_bytes: int = 0
    sent_bytes: int = 0
    unrecorded_bytes: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class Story:
    """Everything known of a session; ``ended`` is None while it is open or after a crash."""

    session: str
    started: datetime
    source_ip: str = ""
    source_port: int = 0
    client_version: str | None = None
    credentials: tuple[Credential, ...] = ()
    sandbox: str | None = None
    channels: tuple[ChannelStory, ...] = ()
    refusals: tuple[str, ...] = ()
    forwards: tuple[str, ...] = ()
    ended: datetime | None = None
    reason: str | None = None
    seconds: float | None = None
    events: int = field(default=0, compare=False)

    @property
    def user(self) -> str | None:
        """Whom the attacker became, or tried last."""
        accepted = [credential for credential in self.credentials if credential.accepted]
        chosen = accepted or self.credentials
        return chosen[-1].user if chosen else None

    @property
    def logged_in(self) -> bool:
        """Whether a credential was accepted."""
        return any(credential.accepted for credential in self.credentials)

    @property
    def commands(self) -> tuple[str, ...]:
        """The exec requests, in order."""
        return tuple(c.command for c in self.channels if c.command is not None)


def fold(events: Iterable[Event]) -> Story | None:
    """Add events up in order; None when the first is no connection."""
    story: Story | None = None
    for event in events:
        story = _begin(event) if story is None else _add(story, event)
        if story is None:
            return None
    return story


def to_json(story: Story) -> dict[str, Any]:
    """Lay a story out as ``session.json`` has it."""
    return {
        "session": story.session,
        "source": {"ip": story.source_ip, "port": story.source_port},
        "client_version": story.client_version,
        "user": story.user,
        "logged_in": story.logged_in,
        "started": timestamp(story.started),
        "ended": timestamp(story.ended) if story.ended else None,
        "seconds": story.seconds,
        "reason": story.reason,
        "sandbox": story.sandbox,
        "credentials": [vars(credential) for credential in story.credentials],
        "commands": list(story.commands),
        "channels": [vars(channel) for channel in story.channels],
        "refusals": list(story.refusals),
        "forwards": list(story.forwards),
    }


def _begin(event: Event) -> Story | None:
    if not isinstance(event, ev.SessionConnected):
        return None
    return Story(event.session, event.time, event.source_ip, event.source_port, events=1)


def _add(story: Story, event: Event) -> Story:
    story = replace(story, events=story.events + 1)
    match event:
        case ev.ClientIdentified():
            return replace(story, client_version=event.version)
        case ev.LoginAttempted():
            return replace(story, credentials=(*story.credentials, _credential(event)))
        case ev.SandboxLeased():
            return replace(story, sandbox=event.sandbox)
        case ev.ChannelOpened():
            return replace(story, channels=(*story.channels, _channel(event)))
        case ev.ChannelClosed():
            return replace(story, channels=tuple(_closed(c, event) for c in story.channels))
        case ev.ChannelRefused():
            return replace(story, refusals=(*story.refusals, f"{event.kind}: {event.reason}"))
        case ev.ForwardRequested():
            target = f"{event.target_host}:{event.target_port}"
            return replace(story, forwards=(*story.forwards, target))
        case ev.SessionClosed():
            return replace(
                story, ended=event.time, reason=event.reason, seconds=round(event.seconds, 3)
            )
        case _:
            return story


def _credential(event: ev.LoginAttempted) -> Credential:
    secret = event.password if event.password is not None else event.fingerprint
    return Credential(event.method, event.user, secret or "", event.outcome == "success")


def _channel(event: ev.ChannelOpened) -> ChannelStory:
    return ChannelStory(
        channel=event.channel,
        kind=event.kind,
        command=event.command,
        terminal=event.terminal,
        environment=dict(event.environment),
        recording=event.recording,
    )


def _closed(channel: ChannelStory, event: ev.ChannelClosed) -> ChannelStory:
    if channel.channel != event.channel:
        return channel
    return replace(
        channel,
        exit_status=event.exit_status,
        received_bytes=event.received_bytes,
        sent_bytes=event.sent_bytes,
        unrecorded_bytes=event.unrecorded_bytes,
        seconds=round(event.seconds, 3),
    )
