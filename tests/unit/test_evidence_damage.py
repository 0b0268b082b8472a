"""What is left of the evidence when the disk refuses, or a file is damaged."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hermes.cli.play import play_channel
from hermes.cli.telling import tell
from hermes.evidence import events as ev
from hermes.evidence import store, story
from hermes.evidence.documents import from_lines, to_line
from tests.unit.facts import EVENTS, NOW

_WRITE_ON_A_SMALL_DISK = """
import resource, sys
from pathlib import Path
from hermes.evidence.writer import Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
pen = Writer()
sink = pen.open(Path(sys.argv[1]))
for line in (b"a" * 59, b"b" * 59, b"c" * 29):
    sink.write(line + b"\\n")
sink.close()
pen.close()
"""


def test_a_line_that_the_disk_takes_in_part_is_taken_back(tmp_path: Path) -> None:
    """A line is written whole or not at all, and the next one begins where it would have."""
    path = tmp_path / "lines"
    written = subprocess.run(
        [sys.executable, "-c", _WRITE_ON_A_SMALL_DISK, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "File too large" in written.stderr
    assert path.read_bytes() == b"a" * 59 + b"\n" + b"c" * 29 + b"\n"


def test_a_last_line_cut_short_is_no_damage() -> None:
    """While a line is being written, or after a crash, the whole lines are all there is."""
    whole = b"".join(to_line(event, "s") for event in EVENTS)
    reading = from_lines(whole[:-5])
    assert (list(reading.events), reading.damaged_lines) == (EVENTS[:-1], 0)


@pytest.mark.parametrize(
    "damage",
    [
        b"{]\n",
        b"[]\n",
        b"\xff\x00\n",
        to_line(EVENTS[1], "s")[20:],
        to_line(EVENTS[1], "s").replace(b"client-identified", b"client-invented"),
        to_line(EVENTS[1], "s").replace(b'"SSH-2.0-Go"', b"7"),
        to_line(EVENTS[1], "s").replace(b'Z"', b'"'),
        to_line(EVENTS[5], "s").replace(b'"exec"', b'"dance"'),
        to_line(EVENTS[5], "s").replace(b'{"LANG":"C"}', b'{"LANG":1}'),
        to_line(EVENTS[7], "s").replace(b'"exit_code":0', b'"exit_code":"0"'),
        to_line(EVENTS[-1], "s").replace(b"9.5", b'"9.5"'),
    ],
)
def test_a_damaged_line_hides_no_other(damage: bytes) -> None:
    """What cannot be read is counted, and every other event is there."""
    good = [to_line(event, "s") for event in EVENTS]
    reading = from_lines(b"".join([*good[:3], damage, *good[3:]]))
    assert (list(reading.events), reading.damaged_lines) == (EVENTS, 1)


def test_a_session_with_damage_is_listed_and_told(tmp_path: Path) -> None:
    """The story says how many lines it lacks, even the first."""
    directory = tmp_path / "sessions/2026/01/02/0123456789ab"
    directory.mkdir(parents=True)
    lines = b"".join(to_line(event, "s") for event in EVENTS[1:])
    (directory / "events.jsonl").write_bytes(b"torn\n" + lines + b"{}\n")
    (told,) = store.stories(tmp_path)
    assert (told.damaged_lines, told.commands, told.reason) == (2, ("id",), "idle")
    console = Console(width=200)
    with console.capture() as shown:
        console.print(tell(told, directory))
    assert "2 lines of events cannot be read" in shown.get()


def test_a_damaged_line_of_a_cast_is_passed_over(tmp_path: Path) -> None:
    """The rest is replayed all the same."""
    opened = ev.ChannelOpened(
        time=NOW,
        session="0123456789ab",
        channel=0,
        kind="shell",
        terminal="xterm",
        recording="channel-0.cast",
    )
    told = story.fold([opened])
    assert told is not None
    cast = '{"version":2}\n[0,"o","one "]\n[0,"o","to\n7\n["x","o","no"]\n[0,"o","two"]\n'
    (tmp_path / "channel-0.cast").write_text(cast)
    shown = io.StringIO()
    play_channel(tmp_path, told, 0, shown, 1.0, 0.0)
    assert shown.getvalue().startswith("one two")
    assert "no" not in shown.getvalue()
