"""Replaying a channel on the reader's terminal."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from hermes.errors import EvidenceError
from hermes.evidence.lines import ending
from hermes.evidence.screen_filter import ScreenFilter
from hermes.evidence.story import ChannelStory, Story

# Colours off, cursor on, and off the alternate screen: as the reader left his terminal.
_RESTORE: Final = "\x1b[0m\x1b[?25h\x1b[?1049l\n"
_STREAMS: Final = ("stdin", "stdout", "stderr")


def play_channel(
    directory: Path,
    story: Story,
    number: int | None,
    out: TextIO,
    speed: float,
    max_idle_seconds: float,
) -> None:
    """Replay one channel of a session; raises EvidenceError when it has no recording."""
    channel = _choose(story, number)
    if channel.recording is None:
        raise EvidenceError(f"channel {channel.channel} was not recorded: too many before it")
    path = directory / Path(channel.recording).name
    if channel.terminal is None:
        _show_streams(path, channel, out)
        return
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            _play(lines, out, speed, max_idle_seconds)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error


def _choose(story: Story, number: int | None) -> ChannelStory:
    if not story.channels:
        raise EvidenceError(f"session {story.session} opened no channel: nothing to play")
    if number is None:
        return next((c for c in story.channels if c.terminal), story.channels[0])
    for channel in story.channels:
        if channel.channel == number:
            return channel
    numbers = ", ".join(str(channel.channel) for channel in story.channels)
    raise EvidenceError(f"session {story.session} has no channel {number}; it has {numbers}")


def _play(lines: TextIO, out: TextIO, speed: float, max_idle_seconds: float) -> None:
    screen = ScreenFilter()
    before = 0.0
    try:
        for at, text in _outputs(lines):
            time.sleep(max(0.0, min(at - before, max_idle_seconds) / speed))
            before = at
            out.write(screen.feed(text))
            out.flush()
    finally:
        out.write(_RESTORE)


def _outputs(lines: TextIO) -> Iterator[tuple[float, str]]:
    next(lines, None)  # the header
    for line in lines:
        if not line.endswith("\n"):
            return  # cut short by a crash
        output = _output(line)
        if output is not None:
            yield output


def _output(line: str) -> tuple[float, str] | None:
    try:
        at, code, text = json.loads(line)
        return (float(at), str(text)) if code == "o" else None
    except (TypeError, ValueError):  # a damaged line hides no other
        return None


def _show_streams(path: Path, channel: ChannelStory, out: TextIO) -> None:
    if channel.command is not None:
        out.write(_safe(f"$ {channel.command}") + "\n")
    for stream in _STREAMS:
        file = path.with_name(f"{path.name}.{stream}")
        if file.exists():
            out.write(f"--- {stream}, {file.stat().st_size} bytes\n")
            _copy(file, out)
    status = ending(channel.exit_status, channel.exit_signal)
    out.write(f"--- {status}\n")


def _copy(file: Path, out: TextIO) -> None:
    screen = ScreenFilter()
    last = "\n"
    with file.open(encoding="utf-8", errors="replace") as text:
        while chunk := text.read(65536):
            shown = screen.feed(chunk)
            out.write(shown)
            last = shown[-1:] or last
    if last != "\n":
        out.write("\n")


def _safe(text: str) -> str:
    return ScreenFilter().feed(text)
