"""Sessions on disk: found, listed and read back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hermes.errors import EvidenceError, SessionNotFoundError
from hermes.evidence import changes
from hermes.evidence.changes import Change
from hermes.evidence.documents import from_lines
from hermes.evidence.story import Story, fold

_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Brought:
    """Where an artifact was seen."""

    sessions: set[str]
    paths: set[str]


def session_directories(root: Path) -> Iterator[Path]:
    """Every session's directory, the newest days first."""
    days = sorted((root / "sessions").glob("[0-9]*/[0-9]*/[0-9]*"), reverse=True)
    for day in days:
        yield from (path for path in day.iterdir() if _ID.fullmatch(path.name))


def stories(root: Path) -> Iterator[Story]:
    """Every readable session, newest first."""
    for _day, directories in _by_day(root):
        told = [s for s in map(_read_or_none, directories) if s is not None]
        yield from sorted(told, key=lambda s: s.started, reverse=True)


def bringers(root: Path) -> dict[str, Brought]:
    """By the hash of each artifact: the sessions whose sandbox had it, and its paths there."""
    brought: dict[str, Brought] = {}
    for directory in session_directories(root):
        for change in _changes_or_none(directory):
            if change.sha256 is not None:
                entry = brought.setdefault(change.sha256, Brought(set(), set()))
                entry.sessions.add(directory.name)
                entry.paths.add(change.path)
    return brought


def find(root: Path, session: str) -> Path:
    """Return the directory of a session whose id begins so; raises SessionNotFoundError."""
    if not re.fullmatch(r"[0-9a-f]{1,12}", session):
        raise SessionNotFoundError(f"{session!r} is no session id: 12 lower-case hex digits")
    found = [path for path in session_directories(root) if path.name.startswith(session)]
    if not found:
        raise SessionNotFoundError(f"no session {session} in {root}; see hermes sessions list")
    if len(found) > 1:
        raise SessionNotFoundError(f"{session} begins {len(found)} session ids; give more digits")
    return found[0]


def read(directory: Path) -> Story:
    """Fold a session's events; raises EvidenceError when none can be read."""
    try:
        reading = from_lines((directory / "events.jsonl").read_bytes())
    except OSError as error:
        raise EvidenceError(f"{directory} cannot be read: {error.strerror}") from error
    told = fold(reading.events)
    if told is None:
        raise EvidenceError(f"{directory} has no whole event")
    return replace(told, damaged_lines=reading.damaged_lines)


def _by_day(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    days: dict[Path, list[Path]] = {}
    for directory in session_directories(root):
        days.setdefault(directory.parent, []).append(directory)
    yield from days.items()


def _changes_or_none(directory: Path) -> tuple[Change, ...]:
    try:
        found = changes.read(directory)
    except EvidenceError:  # as with a story: the others are worth more than none
        return ()
    return found.changes if found else ()


def _read_or_none(directory: Path) -> Story | None:
    try:
        return read(directory)
    except EvidenceError:
        # A session of this moment whose first event is not written yet, or one of
        # which nothing can be read:
        # a list of the others is worth more than none.
        return None
