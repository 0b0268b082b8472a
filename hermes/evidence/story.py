"""The story of one session: its events folded into what ``session.json`` says. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
    recording: str | None
    exit_status: int | None = None
    exit_signal: str | None = None
    received_bytes: int = 0
    sent_bytes: int = 0
    unrecorded_bytes: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class HarvestStory:
    """What the sandbox had changed, in figures; ``changes.json`` has the rest."""

    files: int
    bytes: int
    artifacts: int
    complete: bool


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
    harvest: HarvestStory | None = None
    ended: datetime | None = None
    reason: str | None = None
    seconds: float | None = None
    dropped_events: int = 0
    damaged_lines: int = 0

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
    """Add events up in order; None when there are none."""
    telling: _Telling | None = None
    for event in events:
        telling = telling or _Telling(Story(event.session, event.time))
        telling.add(event)
    return telling.story() if telling is not None else None


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
        "harvest": vars(story.harvest) if story.harvest else None,
        "dropped_events": story.dropped_events,
        "damaged_lines": story.damaged_lines,
    }


class _Telling:
    """A story being added up in lists, which grow in place: sessions may have many events."""

    def __init__(self, beginning: Story) -> None:
        self._story = beginning
        self._credentials: list[Credential] = []
        self._channels: dict[int, ChannelStory] = {}
        self._refusals: list[str] = []
        self._forwards: list[str] = []

    def add(self, event: Event) -> None:
        match event:
            case ev.LoginAttempted():
                self._credentials.append(_credential(event))
            case ev.ChannelOpened():
                self._channels[event.channel] = _channel(event)
            case ev.ChannelClosed():
                self._close(event)
            case ev.ChannelRefused():
                self._refusals.append(f"{event.kind}: {event.reason}")
            case ev.ForwardRequested():
                self._forwards.append(f"{event.target_host}:{event.target_port}")
            case _:
                self._story = _with_fact(self._story, event)

    def story(self) -> Story:
        return replace(
            self._story,
            credentials=tuple(self._credentials),
            channels=tuple(self._channels.values()),
            refusals=tuple(self._refusals),
            forwards=tuple(self._forwards),
        )

    def _close(self, event: ev.ChannelClosed) -> None:
        channel = self._channels.get(event.channel)
        if channel is not None:
            self._channels[event.channel] = _closed(channel, event)


def _with_fact(story: Story, event: Event) -> Story:
    """Add what a session has once."""
    match event:
        case ev.SessionConnected():
            return replace(story, source_ip=event.source_ip, source_port=event.source_port)
        case ev.ClientIdentified():
            return replace(story, client_version=event.version)
        case ev.SandboxLeased():
            return replace(story, sandbox=event.sandbox)
        case ev.SandboxHarvested():
            return replace(story, harvest=_harvest(event))
        case ev.SessionClosed():
            return replace(
                story,
                ended=event.time,
                reason=event.reason,
                seconds=round(event.seconds, 3),
                dropped_events=event.dropped_events,
            )
        case _:
            return story


def _credential(event: ev.LoginAttempted) -> Credential:
    secret = event.password if event.password is not None else event.fingerprint
    return Credential(event.method, event.user, secret or "", event.outcome == "success")


def _harvest(event: ev.SandboxHarvested) -> HarvestStory:
    return HarvestStory(event.files, event.bytes, event.artifacts, event.complete)


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
    return replace(
        channel,
        exit_status=event.exit_status,
        exit_signal=event.exit_signal,
        received_bytes=event.received_bytes,
        sent_bytes=event.sent_bytes,
        unrecorded_bytes=event.unrecorded_bytes,
        seconds=round(event.seconds, 3),
    )
