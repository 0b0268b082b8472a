"""Events, documents, stories, recordings and the writer."""

import dataclasses
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import EvidenceError, SessionNotFoundError
from hermes.evidence import events as ev
from hermes.evidence import store, story
from hermes.evidence.documents import event_types, from_document, to_document, to_line
from hermes.evidence.lines import describe
from hermes.evidence.recording import Budget, Screen, StreamRecording, TerminalRecording
from hermes.evidence.writer import Writer
from tests.unit.facts import EVENTS, NOW


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.action)
def test_an_event_survives_its_document(event: ev.Event) -> None:
    """What is written is what is read, with ECS names and a UTC time between."""
    document = json.loads(to_line(event, "north"))
    assert document["@timestamp"] == "2026-01-02T03:04:05.678901Z"
    assert document["observer"] == {"name": "north"}
    assert from_document(document) == event


def test_every_event_type_is_tried_here() -> None:
    """The list above has each type, and each field has a name of its own."""
    assert {type(event) for event in EVENTS} == set(event_types().values())
    for kind in event_types().values():
        names = [field.metadata[ev.ECS_KEY] for field in dataclasses.fields(kind)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.action)
def test_a_line_of_text_describes_each_event(event: ev.Event) -> None:
    """Nobody sees a type's name where a sentence belongs."""
    assert describe(event) != event.action
    assert describe(event).isprintable()


@given(st.text(max_size=400))
def test_what_an_attacker_types_stays_on_its_line(text: str) -> None:
    """No command breaks out of the line that shows it."""
    event = ev.ChannelOpened(
        time=NOW, session="0123456789ab", channel=0, kind="exec", command=text, recording="x"
    )
    assert describe(event).isprintable()
    assert to_line(event, "s").count(b"\n") == 1
    assert from_document(json.loads(to_line(event, "s"))) == event


@pytest.mark.parametrize(
    "document", [{}, {"event": {"action": "none"}}, {"event": {"action": "session-closed"}}]
)
def test_documents_of_another_shape_are_refused(document: dict[str, object]) -> None:
    """A damaged document is an EvidenceError."""
    with pytest.raises(EvidenceError):
        from_document(document)


def test_a_story_adds_up_its_events() -> None:
    """Credentials, channels, refusals, forwards and the end are in their places."""
    told = story.fold(EVENTS)
    assert told is not None
    assert (told.source_ip, told.client_version, told.user) == (
        "198.51.100.7",
        "SSH-2.0-Go",
        "root",
    )
    assert [c.secret for c in told.credentials] == ["", "SHA256:x"]
    assert told.commands == ("id",)
    assert [c.exit_status for c in told.channels] == [0, None]
    assert told.refusals == ("subsystem: netconf",)
    assert told.forwards == ("mail.example:25",)
    assert (told.reason, told.seconds) == ("idle", 9.5)
    assert json.loads(json.dumps(story.to_json(told)))["logged_in"] is True


def test_a_story_begins_where_its_events_do() -> None:
    """Without events there is no story; without the connection there is the rest of it."""
    assert story.fold([]) is None
    told = story.fold(EVENTS[1:])
    assert told is not None
    assert (told.session, told.started, told.source_ip) == ("0123456789ab", NOW, "")
    assert told.reason == "idle"


def test_a_story_of_many_channels_is_told_soon() -> None:
    """Adding up takes a time that grows with the events, not with their square."""
    opened, closed = EVENTS[5], EVENTS[7]
    assert isinstance(opened, ev.ChannelOpened)
    assert isinstance(closed, ev.ChannelClosed)
    events: list[ev.Event] = []
    for number in range(10_000):
        events.append(dataclasses.replace(opened, channel=number))
        events.append(dataclasses.replace(closed, channel=number))
    began = time.monotonic()
    told = story.fold(events)
    assert time.monotonic() - began < 2
    assert told is not None
    assert [channel.exit_status for channel in told.channels] == [0] * 10_000


def test_terminal_recordings_join_split_characters(tmp_path: Path) -> None:
    """A character in two reads is one, an incomplete last one is marked."""
    pen = Writer()
    screen = Screen("xterm", 80, 24)
    cast = TerminalRecording(pen, tmp_path / "a.cast", screen, NOW, Budget(1 << 20, 1))
    for part in (b"a\xc3", b"\xa4", b"\xe2\x82"):
        cast.sent(part)
    cast.received(b"\xff")
    cast.resized(100, 30)
    cast.close()
    pen.close()
    header, *lines = (tmp_path / "a.cast").read_text().splitlines()
    assert json.loads(header)["timestamp"] == int(NOW.timestamp())
    assert [json.loads(line)[1:] for line in lines] == [
        ["o", "a"],
        ["o", "ä"],
        ["i", "�"],
        ["r", "100x30"],
        ["o", "�"],
    ]


def test_what_a_terminal_recording_leaves_out_is_left_out_whole(tmp_path: Path) -> None:
    """Output beyond the budget is counted, and half a character of it joins nothing later."""
    pen = Writer()
    screen = Screen("xterm", 100, 40)
    cast = TerminalRecording(pen, tmp_path / "a.cast", screen, NOW, Budget(1000, 1))
    cast.sent("é".encode() * 1000 + b"\xc3")
    cast.sent(b"\xa9!")
    cast.close()
    pen.close()
    _header, line = (tmp_path / "a.cast").read_text().splitlines()
    assert json.loads(line)[1:] == ["o", "\ufffd!"]
    assert cast.unrecorded_bytes == 2001


def test_stream_recordings_make_only_the_files_they_need(tmp_path: Path) -> None:
    """No output, no file; what exceeds the budget is counted."""
    pen = Writer()
    streams = StreamRecording(pen, tmp_path / "channel-0", Budget(5, 9))
    streams.sent(b"12345")
    streams.sent(b"6", stderr=True)
    streams.resized(1, 1)
    streams.close()
    pen.close()
    assert [path.name for path in tmp_path.iterdir()] == ["channel-0.stdout"]
    assert streams.unrecorded_bytes == 1


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    """A file that exists stays as it is, and the failure is known."""
    (tmp_path / "taken").write_text("first")
    pen = Writer()
    sink = pen.open(tmp_path / "taken")
    sink.write(b"second")
    sink.close()
    pen.close()
    assert (tmp_path / "taken").read_text() == "first"
    assert isinstance(pen.failure, FileExistsError)


def test_a_late_write_does_no_harm(tmp_path: Path) -> None:
    """What comes after a file was closed is left out, and the writer goes on."""
    pen = Writer()
    sink = pen.open(tmp_path / "a")
    sink.close()
    sink.write(b"late")
    other = pen.open(tmp_path / "b")
    other.write(b"next")
    other.close()
    pen.close()
    assert (tmp_path / "a").read_bytes() == b""
    assert (tmp_path / "b").read_bytes() == b"next"


def test_sessions_are_found_by_how_their_id_begins(tmp_path: Path) -> None:
    """A prefix that is unique finds its session; others say why not."""
    for name in ("0123456789ab", "0123ffffffff"):
        (tmp_path / "sessions/2026/01/02" / name).mkdir(parents=True)
    assert store.find(tmp_path, "01234").name == "0123456789ab"
    with pytest.raises(SessionNotFoundError, match="begins 2 session ids"):
        store.find(tmp_path, "0123")
    with pytest.raises(SessionNotFoundError, match="no session ff"):
        store.find(tmp_path, "ff")
    with pytest.raises(EvidenceError, match="cannot be read"):
        store.read(tmp_path / "sessions/2026/01/02/0123456789ab")
    assert list(store.stories(tmp_path)) == []


def test_to_document_leaves_out_what_is_not_known() -> None:
    """None is no value of a document."""
    assert "exit_code" not in json.dumps(to_document(EVENTS[8], "s"))
