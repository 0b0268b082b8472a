"""What one session may write, and that nobody waits for it."""

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from hermes.cli.play import play_channel
from hermes.cli.telling import tell
from hermes.errors import EvidenceError
from hermes.evidence import documents, store, writer
from hermes.evidence import events as ev
from hermes.evidence import record as record_module
from hermes.evidence.lines import describe
from hermes.evidence.record import Desk, SessionRecord
from hermes.evidence.recording import Screen
from hermes.evidence.writer import Writer

SCREEN = Screen("xterm", 80, 24)


class Room:
    """A writer, a session's record, and what a listener heard."""

    def __init__(self, directory: Path, max_bytes: int = 1 << 20) -> None:
        self.heard: list[ev.Event] = []
        self.pen = Writer()
        self.record = Desk(self.pen, directory, "s", max_bytes, self.heard.append).begin()

    def refuse(self, count: int, reason: str = "netconf") -> None:
        """Add events, all alike."""
        for _ in range(count):
            self.record.add(
                ev.ChannelRefused(**self.record.stamp(), kind="subsystem", reason=reason)
            )

    def wait(self) -> None:
        """Return when all that is queued was written."""
        written = threading.Event()

        def tell_so() -> bool:
            written.set()
            return True

        self.pen.submit(tell_so, 0)
        written.wait()

    def close(self) -> None:
        """End the session; its story waits for the writer."""
        self.record.close(ev.SessionClosed(**self.record.stamp(), reason="idle", seconds=9.5))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """One session, whose writer ends with the test."""
    room = Room(tmp_path)
    yield room
    room.pen.close()


def session_json(record: SessionRecord) -> dict[str, object]:
    """Read the story that was written."""
    told: dict[str, object] = json.loads((record.directory / "session.json").read_bytes())
    return told


def test_a_slow_disk_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the writer waits, writes return at once, and beyond the bound are refused."""
    monkeypatch.setattr(writer, "MAX_PENDING_BYTES", 1000)
    pen = Writer()
    go_on = threading.Event()
    pen.submit(go_on.wait, 0)
    sink = pen.open(tmp_path / "slow")
    began = time.monotonic()
    taken = [sink.write(b"x" * 300) for _ in range(5)]
    assert time.monotonic() - began < 0.5
    assert taken == [True, True, True, False, False]
    go_on.set()
    sink.close()
    pen.close()
    assert (tmp_path / "slow").stat().st_size == 900


def test_events_beyond_the_bound_are_only_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody writes or hears more events of a session than so many; its end tells how many."""
    monkeypatch.setattr(record_module, "MOST_EVENTS", 20)
    room = Room(tmp_path)
    room.refuse(50)
    room.close()
    room.pen.close()
    (told,) = store.stories(tmp_path)
    assert (len(room.heard), len(told.refusals), told.dropped_events) == (21, 20, 30)
    assert session_json(room.record)["dropped_events"] == 30
    assert "30 events dropped" in describe(room.heard[-1])
    console = Console(width=200)
    with console.capture() as shown:
        console.print(tell(told, room.record.directory))
    assert "30 events more" in shown.get()


def test_events_have_a_bound_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few long events are too many as well, and short ones still find room after them."""
    monkeypatch.setattr(record_module, "MOST_EVENT_BYTES", 3000)
    room = Room(tmp_path)
    room.refuse(4, "x" * 1200)
    room.refuse(1)
    room.close()
    room.pen.close()
    (told,) = store.stories(tmp_path)
    assert (len(told.refusals), told.dropped_events, told.reason) == (3, 2, "idle")
    assert (room.record.directory / "events.jsonl").stat().st_size < 3600


def test_recordings_leave_events_their_room(room: Room) -> None:
    """Who has used up what may be recorded still has all his events."""
    stream = room.record.recording(0, None)
    stream.sent(b"x" * (1 << 20), stderr=False)
    stream.sent(b"x", stderr=False)
    stream.close()
    room.refuse(100)
    room.close()
    room.pen.close()
    assert stream.unrecorded_bytes == 1
    assert session_json(room.record)["dropped_events"] == 0
    assert len(store.read(room.record.directory).refusals) == 100


def test_a_session_makes_so_many_files_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound terminals and other channels go unrecorded, and their bytes count."""
    monkeypatch.setattr(record_module, "MOST_FILES", 5)
    room = Room(tmp_path)
    recordings = [room.record.recording(n, SCREEN if n % 2 else None) for n in range(8)]
    for recording in recordings:
        recording.received(b"in")
        recording.sent(b"out", stderr=False)
        recording.close()
    room.close()
    room.pen.close()
    made = {path.name for path in room.record.directory.iterdir()}
    assert made == {f"channel-{n}.cast" for n in (1, 3, 5, 7)} | {
        "channel-0.stdin",
        "events.jsonl",
        "session.json",
    }
    assert [r.unrecorded_bytes for r in recordings] == [3, 0, 5, 0, 5, 0, 5, 0]
    late = [room.record.recording(8, SCREEN), room.record.recording(9, None)]
    assert [recording.name for recording in late] == [None, None]


def test_the_beginning_of_a_cast_counts(tmp_path: Path) -> None:
    """A header is recorded bytes: without room for it there is no cast."""
    room = Room(tmp_path, max_bytes=50)
    cast = room.record.recording(0, SCREEN)
    cast.sent(b"out", stderr=False)
    cast.close()
    room.close()
    room.pen.close()
    assert (cast.name, cast.unrecorded_bytes) == (None, 3)
    assert list(room.record.directory.glob("*.cast")) == []


def test_a_channel_without_a_recording_says_so_when_played(room: Room) -> None:
    """Replaying it is an error with its reason."""
    room.record.add(ev.ChannelOpened(**room.record.stamp(), channel=7, kind="shell"))
    room.close()
    room.pen.close()
    told = store.read(room.record.directory)
    with pytest.raises(EvidenceError, match="channel 7 was not recorded"):
        play_channel(room.record.directory, told, 7, io.StringIO(), 1.0, 0.0)


def test_the_end_of_a_long_session_holds_nobody_up(room: Room) -> None:
    """The story is added up and written by the writer's thread."""
    go_on = threading.Event()
    room.pen.submit(go_on.wait, 0)
    room.refuse(record_module.MOST_EVENTS)
    began = time.monotonic()
    room.close()
    assert time.monotonic() - began < 0.02
    go_on.set()
    room.pen.close()
    refusals = session_json(room.record)["refusals"]
    assert isinstance(refusals, list)
    assert len(refusals) == record_module.MOST_EVENTS


@pytest.mark.parametrize(("count", "told"), [(62, 62), (63, 0)])
def test_only_a_long_session_is_read_back_for_its_story(room: Room, count: int, told: int) -> None:
    """Up to 64 events are kept; of more, what the file has is told, here the last one."""
    room.refuse(count)
    room.wait()
    events = room.record.directory / "events.jsonl"
    events.write_bytes(b" " * events.stat().st_size)
    room.record.add(ev.ChannelOpened(**room.record.stamp(), channel=0, kind="shell"))
    room.close()
    room.pen.close()
    refusals = session_json(room.record)["refusals"]
    assert isinstance(refusals, list)
    assert len(refusals) == told


def test_a_story_tells_no_event_that_the_disk_refused(room: Room) -> None:
    """Where the events could not be written, those that are there are told."""
    go_on = threading.Event()
    room.pen.submit(go_on.wait, 0)
    record = Desk(room.pen, room.record.directory.parent, "s", 1000, room.heard.append).begin()
    record.directory.mkdir(parents=True)
    line = documents.to_line(ev.ClientIdentified(**record.stamp(), version="SSH-2.0-x"), "s")
    (record.directory / "events.jsonl").write_bytes(line)
    record.add(ev.ChannelRefused(**record.stamp(), kind="subsystem", reason="netconf"))
    record.close(ev.SessionClosed(**record.stamp(), reason="idle", seconds=9.5))
    go_on.set()
    room.close()
    room.pen.close()
    told = session_json(record)
    assert (told["client_version"], told["refusals"]) == ("SSH-2.0-x", [])


def test_the_end_is_written_however_far_behind_the_disk_is(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that the writer has no room for are counted; the end tells how many."""
    monkeypatch.setattr(writer, "MAX_PENDING_BYTES", 1000)
    go_on = threading.Event()
    room.pen.submit(go_on.wait, 0)
    room.refuse(50)
    room.close()
    go_on.set()
    room.pen.close()
    told = store.read(room.record.directory)
    assert told.reason == "idle"
    assert told.dropped_events == 50 - len(told.refusals) > 0
