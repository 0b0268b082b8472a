"""The record of one session while it lasts: events, recordings, and at the end its story."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypedDict

from hermes.errors import EvidenceError
from hermes.evidence import store, story
from hermes.evidence.documents import to_line
from hermes.evidence.events import Event, SessionClosed
from hermes.evidence.recording import Budget, Recording, Screen, StreamRecording, TerminalRecording
from hermes.evidence.writer import Writer, append_line, replace_file

MOST_EVENTS: Final = 10_000
MOST_EVENT_BYTES: Final = 8 << 20
MOST_FILES: Final = 2_000
_MOST_KEPT_EVENTS: Final = 64
_MOST_KEPT_BYTES: Final = 64 << 10

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

    def amend(self, directory: Path, event: Event) -> None:
        """Add a fact that was found out after a session's end, and have the story told anew."""
        self.writer.submit(lambda: amend(directory, event, self.sensor), 0)
        self.listener(event)


class SessionRecord:
    """Facts of one session, written as they happen; only the first few are kept beside that.

    Events and recordings have a budget each, so that neither can use up the other's.
    """

    def __init__(self, desk: Desk, session: str, started: datetime) -> None:
        self.session = session
        self.started = started
        self.directory = session_directory(desk.directory, session, started)
        self._desk = desk
        self._events = Budget(MOST_EVENT_BYTES, MOST_EVENTS)
        self._recordings = Budget(desk.session_max_bytes, MOST_FILES)
        self._dropped_events = 0
        self._kept: list[Event] | None = []
        self._keeps = Budget(_MOST_KEPT_BYTES, _MOST_KEPT_EVENTS)
        self._sink = desk.writer.open(self.directory / "events.jsonl")

    def stamp(self) -> Stamp:
        """Return what every event begins with: the time and the session."""
        return {"time": datetime.now(UTC), "session": self.session}

    def add(self, event: Event) -> None:
        """Write an event and tell who listens; one that may not be written is only counted."""
        if self._write(event):
            self._desk.listener(event)
        else:
            self._dropped_events += 1

    def recording(self, channel: int, screen: Screen | None) -> Recording:
        """Begin the recording of a channel, an asciicast when it has a screen."""
        path = self.directory / f"channel-{channel}"
        if screen is None:
            return StreamRecording(self._desk.writer, path, self._recordings)
        cast = path.with_suffix(".cast")
        return TerminalRecording(
            self._desk.writer, cast, screen, datetime.now(UTC), self._recordings
        )

    def close(self, last: SessionClosed) -> None:
        """Add the last event, whatever the budget, end the events and have the story written."""
        last = replace(last, dropped_events=self._dropped_events)
        line = to_line(last, self._desk.sensor)
        self._sink.close(line)
        self._keep(last, len(line))
        self._desk.listener(last)
        self._desk.writer.submit(self._write_story, 0)

    def _write(self, event: Event) -> bool:
        if self._events.spent:
            return False
        line = to_line(event, self._desk.sensor)
        if not (self._events.take(len(line), 1) and self._sink.write(line)):
            return False
        self._keep(event, len(line))
        return True

    def _keep(self, event: Event, size: int) -> None:
        """Keep the events of a short session for its story; those of a long one are read back."""
        if self._kept is not None and self._keeps.take(size, 1):
            self._kept.append(event)
        else:
            self._kept = None

    def _write_story(self) -> bool:
        """Tell what the disk has: the events that were kept, if it took them all."""
        is_all = self._kept is not None and self._sink.has_all
        told = story.fold(self._kept or []) if is_all else None
        return (
            _write_story(self.directory) if told is None else _replace_story(self.directory, told)
        )


def amend(directory: Path, event: Event, sensor: str) -> bool:
    """Add a fact to the record of a session that is over; blocks, raises OSError."""
    line = to_line(event, sensor)
    return append_line(directory / "events.jsonl", line) and _write_story(directory)


def _write_story(directory: Path) -> bool:
    """Tell the story from the file, in the writer's thread: it may be long."""
    try:
        told = store.read(directory)
    except EvidenceError:  # the disk took no event, and the writer has said so
        return False
    return _replace_story(directory, told)


def _replace_story(directory: Path, told: story.Story) -> bool:
    data = json.dumps(story.to_json(told)).encode() + b"\n"
    replace_file(directory / "session.json", data)
    return True


def session_directory(root: Path, session: str, started: datetime) -> Path:
    """``sessions/YYYY/MM/DD/ID`` below the directory of the evidence."""
    return root / "sessions" / f"{started:%Y/%m/%d}" / session
