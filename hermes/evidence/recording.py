"""Recordings of channels: asciicast v2 of terminals, raw streams of the others.

Format: https://docs.asciinema.org/manual/asciicast/v2/ with the events ``o`` (output),
``i`` (input) and ``r`` (resize).
"""

import codecs
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

from hermes.evidence.writer import Sink, Writer


@dataclass(frozen=True)
class Screen:
    """The terminal that a client asked for."""

    kind: str
    columns: int
    rows: int


class Budget:
    """What one session may still write: bytes, in so many pieces (files, or events)."""

    def __init__(self, size: int, pieces: int) -> None:
        self._left = size
        self._pieces_left = pieces

    @property
    def spent(self) -> bool:
        """Whether no piece is left, however small."""
        return self._pieces_left == 0

    def holds(self, size: int) -> bool:
        """Whether so many bytes are left."""
        return size <= self._left

    def take(self, size: int, pieces: int = 0) -> bool:
        """Reserve ``size`` bytes and ``pieces``; False, and nothing taken, when not left."""
        if size > self._left or pieces > self._pieces_left:
            return False
        self._left -= size
        self._pieces_left -= pieces
        return True


class Recording(Protocol):
    """What a channel reports to; ``name`` begins its files' names, None when it has none."""

    name: str | None
    unrecorded_bytes: int

    def received(self, data: bytes) -> None:
        """Note bytes from the attacker."""

    def sent(self, data: bytes, *, stderr: bool) -> None:
        """Note bytes to the attacker."""

    def resized(self, columns: int, rows: int) -> None:
        """Note a new size of the terminal."""

    def close(self) -> None:
        """End the files."""


class TerminalRecording:
    """An asciicast; times are seconds since ``started``."""

    def __init__(
        self, writer: Writer, path: Path, screen: Screen, started: datetime, budget: Budget
    ) -> None:
        self.unrecorded_bytes = 0
        self._budget = budget
        self._start = monotonic()
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"i": decoder("replace"), "o": decoder("replace")}
        header = _line(_header(screen, started))
        self._sink = writer.open(path) if budget.take(len(header), 1) else None
        self.name = path.name if self._sink else None
        if self._sink:
            self._sink.write(header)

    def received(self, data: bytes) -> None:
        """Note keystrokes."""
        self._text("i", data)

    def sent(self, data: bytes, *, stderr: bool = False) -> None:  # noqa: ARG002 - a terminal has one
        """Note output."""
        self._text("o", data)

    def resized(self, columns: int, rows: int) -> None:
        """Note a new size of the terminal."""
        self._event("r", f"{columns}x{rows}", 0)

    def close(self) -> None:
        """Write characters left incomplete and end the file."""
        for code in self._decoders:
            self._text(code, b"", final=True)
        if self._sink:
            self._sink.close()

    def _text(self, code: str, data: bytes, *, final: bool = False) -> None:
        if self._sink is None or not self._budget.holds(len(data)):
            # As text it is no shorter: to find that out would cost more than all the rest.
            self._decoders[code].reset()
            self.unrecorded_bytes += len(data)
            return
        text = self._decoders[code].decode(data, final)
        if text:
            self._event(code, text, len(data))

    def _event(self, code: str, text: str, size: int) -> None:
        line = _line([round(monotonic() - self._start, 6), code, text])
        if not (self._sink and self._budget.take(len(line)) and self._sink.write(line)):
            self.unrecorded_bytes += size


class StreamRecording:
    """Three raw files: ``NAME.stdin``, ``NAME.stdout``, ``NAME.stderr``; made when first needed."""

    def __init__(self, writer: Writer, path: Path, budget: Budget) -> None:
        self.name = None if budget.spent else path.name
        self.unrecorded_bytes = 0
        self._writer = writer
        self._path = path
        self._budget = budget
        self._sinks: dict[str, Sink] = {}

    def received(self, data: bytes) -> None:
        """Append to stdin."""
        self._append("stdin", data)

    def sent(self, data: bytes, *, stderr: bool = False) -> None:
        """Append to stdout or stderr."""
        self._append("stderr" if stderr else "stdout", data)

    def resized(self, columns: int, rows: int) -> None:
        """Do nothing: there is no terminal."""

    def close(self) -> None:
        """End the files."""
        for sink in self._sinks.values():
            sink.close()

    def _append(self, stream: str, data: bytes) -> None:
        sink = self._sinks.get(stream)
        taken = self._budget.take(len(data), 0 if sink else 1)
        if taken and sink is None:
            path = self._path.with_name(f"{self._path.name}.{stream}")
            sink = self._sinks[stream] = self._writer.open(path)
        if not (taken and sink and sink.write(data)):
            self.unrecorded_bytes += len(data)


def _header(screen: Screen, started: datetime) -> dict[str, object]:
    return {
        "version": 2,
        "width": screen.columns,
        "height": screen.rows,
        "timestamp": int(started.timestamp()),
        "env": {"TERM": screen.kind},
    }


def _line(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
