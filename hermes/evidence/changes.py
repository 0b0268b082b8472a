"""``changes.json``: what was different in a sandbox when its stay ended."""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from hermes.errors import EvidenceError

FILE_NAME: Final = "changes.json"
_DIRECTORY_MODE: Final = 0o700
Kind = Literal["file", "directory", "link", "device", "fifo", "socket", "deleted"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One path inside; ``raw`` is its bytes in hexadecimal when they are no UTF-8.

    A file without ``sha256`` was not read, for the reason that ``truncated`` names.
    """

    path: str
    kind: Kind
    mode: str | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    mtime: str | None = None
    target: str | None = None
    sha256: str | None = None
    artifact: bool = False
    truncated: str | None = None
    opaque: bool = False
    raw: str | None = None


@dataclass(frozen=True)
class Changes:
    """A whole document, read back."""

    sandbox: str
    started: str
    ended: str
    sessions: tuple[str, ...]
    complete: bool
    left_out: Mapping[str, int]
    changes: tuple[Change, ...]


class ChangesFile:
    """The document being written, beside its place until `finish`; methods block."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)
        self._path = path
        self._beside = path.with_name(f".{path.name}.new")
        self._file = self._beside.open("wb")
        self._separator = b'{"changes":[\n'

    def add(self, line: bytes) -> None:
        """Append a change that `to_line` made."""
        self._file.write(self._separator + line)
        self._separator = b",\n"

    def finish(self, head: Mapping[str, Any]) -> None:
        """Write what is said of all changes, and give the file its name."""
        opening = self._separator if self._separator.startswith(b"{") else b""
        self._file.write(opening + b"\n],\n" + json.dumps(head).encode()[1:] + b"\n")
        self._file.close()
        self._beside.replace(self._path)

    def abandon(self) -> None:
        """Leave nothing behind; harmless after `finish`."""
        try:
            self._file.close()  # on a full disk this fails too
        finally:
            self._beside.unlink(missing_ok=True)


def to_line(change: Change) -> bytes:
    """Write a change as JSON; what does not apply to its kind is left out."""
    shown = {
        name: value
        for name, value in vars(change).items()
        if value is not None and value is not False
    }
    if change.kind == "file":
        shown.setdefault("sha256", None)
    return json.dumps(shown, separators=(",", ":")).encode()


def read(directory: Path) -> Changes | None:
    """Read a session's document; None when it has none, EvidenceError when it is damaged."""
    try:
        document = json.loads((directory / FILE_NAME).read_bytes())
        changes = tuple(Change(**change) for change in document.pop("changes"))
        sessions = tuple(document.pop("sessions"))
        return Changes(sessions=sessions, changes=changes, **document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise EvidenceError(f"{directory / FILE_NAME} cannot be read: {error}") from error


def to_json(changes: Changes) -> dict[str, Any]:
    """Lay the document out as it is on disk."""
    return {
        **dataclasses.asdict(changes),
        "changes": [json.loads(to_line(c)) for c in changes.changes],
    }


def share(path: Path, directories: Iterable[Path]) -> None:
    """Give the other sessions of a stay the same document; blocks, raises OSError."""
    for directory in directories:
        if not directory.is_dir():  # evidence may be moved away while its sandbox lingers
            continue
        beside = directory / f".{FILE_NAME}.new"
        beside.unlink(missing_ok=True)
        try:
            os.link(path, beside)
        except OSError:  # a file system without hard links, or too many of them
            shutil.copyfile(path, beside)
        beside.replace(directory / FILE_NAME)
        beside.unlink(missing_ok=True)  # a rename to another name of the same file does nothing
