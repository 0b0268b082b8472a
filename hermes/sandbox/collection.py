"""What a harvest brings together: changes, the bytes of files, and what had to stay out."""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from hermes.errors import EvidenceError
from hermes.evidence.artifacts import Artifacts, Source
from hermes.evidence.changes import Change, ChangesFile, to_line

# What a sandbox changes by itself before its visitor comes: exactly these, and what is
# below those that end with a slash, which are mount points.
NOISE: Final = (
    "/dev",
    "/dev/mqueue/",
    "/dev/pts/",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc/",
    "/run/.containerenv",
    "/sys/",
)
# What it goes on changing, and how large that may be at most.
RESTLESS: Final = {"/run/crond.pid": 16, "/run/crond.reboot": 0, "/run/utmp": 16 << 10}
MOST_SESSIONS: Final = 1_000


@dataclass(frozen=True)
class Caps:
    """How much a harvest may take; what is more is left out and counted."""

    file_bytes: int = 64 << 20
    stay_bytes: int = 256 << 20
    files: int = 20_000
    document_bytes: int = 16 << 20
    depth: int = 100
    seconds: float = 30.0


@dataclass(frozen=True)
class Stay:
    """Whose changes they are; times as RFC 3339."""

    sandbox: str
    started: str
    ended: str
    sessions: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """What to harvest where; ``first_id`` is the namespace's id of the container's root."""

    upper: Path
    artifacts: Path
    changes: Path
    stay: Stay
    caps: Caps = Caps()
    first_id: int = 0
    pid: tuple[int, int] = (0, 0)
    """The container's first process and the time of its start."""
    mounts: tuple[str, ...] = ()
    """Directories inside that are not in the upper one, but in memory."""

    def to_json(self) -> dict[str, Any]:
        """Lay it out for the broker; of a visitor who came back all day, the first sessions."""
        places = {name: str(getattr(self, name)) for name in ("upper", "artifacts", "changes")}
        stay = {**dataclasses.asdict(self.stay), "sessions": self.stay.sessions[:MOST_SESSIONS]}
        return {**dataclasses.asdict(self), **places, "stay": stay}


@dataclass(frozen=True)
class Usage:
    """What a tree takes: ``bytes`` on disk, and its entries; at least so much if incomplete."""

    bytes: int
    files: int
    complete: bool


@dataclass(frozen=True)
class Summary:
    """A harvest in figures: regular ``files``, their ``bytes``, and the distinct ``artifacts``."""

    files: int
    bytes: int
    artifacts: int
    complete: bool
    seconds: float


class Collection:
    """One harvest under way; `finish` or `abandon` ends it."""

    def __init__(self, artifacts: Artifacts, changes: Path, caps: Caps) -> None:
        self.left_out: Counter[str] = Counter()
        self._caps = caps
        self._artifacts = artifacts
        self._file = ChangesFile(changes)
        self._began = monotonic()
        self._entries = 0
        self._document_bytes = 0
        self._files = 0
        self._bytes = 0
        self._bytes_left = caps.stay_bytes
        self._kept: set[str] = set()

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return monotonic() - self._began > self._caps.seconds

    @property
    def full(self) -> bool:
        """Whether no further change is taken: it is counted by `leave_out`."""
        caps = self._caps
        return self._entries >= caps.files or self._document_bytes >= caps.document_bytes

    def leave_out(self, why: str) -> None:
        """Count something that is not in the document."""
        self.left_out[why] += 1

    def add(self, change: Change) -> None:
        """Take a change."""
        line = to_line(change)
        self._file.add(line)
        self._entries += 1
        self._document_bytes += len(line)
        if change.kind == "file":
            self._files += 1
            self._bytes += change.size or 0

    def read(self, change: Change, source: Source) -> Change:
        """Keep the bytes of a file within the caps, and say its hash or why it has none."""
        if why := self.too_large(change.size or 0):
            return self.unread(change, why)
        try:
            sha256, size = self._artifacts.keep(
                source, min(self._caps.file_bytes, self._bytes_left)
            )
        except EvidenceError:  # it has grown, or the bytes are no longer what its size said
            return self.unread(change, "file_bytes")
        except OSError as error:
            return self.unread(change, error.strerror or "unreadable")
        self._bytes_left -= size
        self._kept.add(sha256)
        return dataclasses.replace(change, sha256=sha256, artifact=True)

    def too_large(self, size: int) -> str | None:
        """Name the cap that a file of this size would break."""
        if size > self._caps.file_bytes:
            return "file_bytes"
        if self.expired:
            return "seconds"
        return "stay_bytes" if size > self._bytes_left else None

    def unread(self, change: Change, why: str) -> Change:
        """Say why a file's bytes were not taken."""
        self.leave_out("unread")
        return dataclasses.replace(change, truncated=why)

    def finish(self, stay: Stay) -> Summary:
        """Write the document; raises OSError."""
        complete = not self.left_out.total()
        head = {**dataclasses.asdict(stay), "complete": complete, "left_out": dict(self.left_out)}
        self._file.finish(head)
        seconds = round(monotonic() - self._began, 3)
        return Summary(self._files, self._bytes, len(self._kept), complete, seconds)

    def abandon(self) -> None:
        """Leave no half a document behind; harmless after `finish`."""
        self._file.abandon()


def is_restless(path: str, size: int) -> bool:
    """Whether a sandbox goes on changing this file by itself, and nothing was hidden in it."""
    return path in RESTLESS and size <= RESTLESS[path]


def is_noise(path: str) -> bool:
    """Whether a sandbox changes this path by itself at its start."""
    return any(f"{path}/".startswith(n) if n.endswith("/") else path == n for n in NOISE)
