"""The record of one session while it lasts: events, recordings, and at the end its story."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from hermes.evidence import story
from hermes.evidence.documents import to_line
from hermes.evidence.events import Event
from hermes.evidence.recording import Budget, Recording, Screen, StreamRecording, TerminalRecording
from hermes.evidence.writer import Writer

EventListener = Callable[[Event], None]


class Stamp(TypedDict):
    """The fields that all events have."""

    time: datetime
    session: str


@dataclass(frozen=True)
class Desk:
    """What every record shares: the writer, the place, the sensor and who else hears."""

    writer: Writer
    directory: Path
    sensor: str
    session_max_bytes: int
    listener: EventListener

    def begin(self) -> "SessionRecord":
        """Start the record of a new session."""
        return SessionRecord(self, secrets.token_hex(6), datetime.now(UTC))


class SessionRecord:
    """Facts of one session, written as they happen; `close` writes ``session.json``."""

    def __init__(self, desk: Desk, session: str, started: datetime) -> None:
        self.session = session
        self.started = started
        self.directory = session_directory(desk.directory, session, started)
        self._desk = desk
        self._budget = Budget(desk.session_max_bytes)
        self._events: list[Event] = []
        self._sink = desk.writer.open(self.directory / "events.jsonl")

    def stamp(self) -> Stamp:
        """Return what every event begins with: the time and the session."""
        return {"time": datetime.now(UTC), "session": self.session}

    def add(self, event: Event) -> None:
        """Write an event and tell who listens; beyond the session's budget it is only told."""
        line = to_line(event, self._desk.sensor)
        if self._budget.take(len(line)) or not self._events:
            self._events.append(event)
            self._sink.write(line)
        self._desk.listener(event)

    def recording(self, channel: int, screen: Screen | None) -> Recording:
        """Begin the recording of a channel, an asciicast when it has a screen."""
        path = self.directory / f"channel-{channel}"
        if screen is None:
            return StreamRecording(self._desk.writer, path, self._budget)
        cast = path.with_suffix(".cast")
        return TerminalRecording(self._desk.writer, cast, screen, datetime.now(UTC), self._budget)

    def close(self, last: Event) -> None:
        """Add the last event, whatever the budget, end the events and write the story."""
        self._events.append(last)
        self._sink.write(to_line(last, self._desk.sensor))
        self._desk.listener(last)
        self._sink.close()
        told = story.fold(self._events)
        if told is not None:
            data = json.dumps(story.to_json(told), indent=1).encode() + b"\n"
            self._desk.writer.replace(self.directory / "session.json", data)


def session_directory(root: Path, session: str, started: datetime) -> Path:
    """``sessions/YYYY/MM/DD/ID`` below the directory of the evidence."""
    return root / "sessions" / f"{started:%Y/%m/%d}" / session
