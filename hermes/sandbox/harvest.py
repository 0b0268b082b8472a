"""What a container changed, read from the upper directory of its overlay.

Runs in `hermes.sandbox.broker`, to which the container's owners are visible. The tree is
a stranger's: nothing in it is followed, no device or FIFO is opened, everything is bounded.
How deletions look there: https://docs.kernel.org/filesystems/overlayfs.html.
"""

import contextlib
import dataclasses
import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from hermes.evidence.artifacts import Artifacts
from hermes.evidence.changes import Change, Kind
from hermes.evidence.documents import timestamp
from hermes.sandbox.collection import Caps, Collection, Stay, is_noise, is_restless
from hermes.sandbox.open_files import nameless
from hermes.sandbox.process import start_time
from hermes.sandbox.walk import Entry, Walk

_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_USAGE_DEPTH: Final = 200
_BLOCK_BYTES: Final = 512
_OPAQUE: Final = ("user.overlay.opaque", "trusted.overlay.opaque", "user.fuseoverlayfs.opaque")
_WHITEOUT: Final = ("user.overlay.whiteout", "trusted.overlay.whiteout")
_KINDS: Final[dict[int, Kind]] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def harvest(
    *,
    upper: str,
    artifacts: str,
    changes: str,
    stay: dict[str, Any],
    caps: dict[str, Any],
    first_id: int = 0,
    pid: Sequence[int] = (0, 0),
    mounts: Sequence[str] = (),
    memory_is_gone: bool = False,
) -> dict[str, Any]:
    """Write ``changes``, keep the bytes of files, and return a `Summary` as a dictionary.

    ``first_id`` is the namespace's id of the container's root. The ``mounts`` are seen by its
    first process, given by ``pid`` and the time of its start; of them only what was changed
    since the stay began is taken, as a container fills some itself. Raises OSError.
    """
    limits = Caps(**caps)
    collection = Collection(Artifacts(Path(artifacts)), Path(changes), limits)
    try:
        since = datetime.fromisoformat(stay["started"]).timestamp()
        taker = _Harvest(collection, first_id, since)
        taker.take(Walk(Path(upper), limits.depth))
        if mounts and (memory_is_gone or not _take_memory(taker, pid, mounts, limits.depth, since)):
            collection.leave_out("memory")
        return dataclasses.asdict(collection.finish(Stay(**stay)))
    finally:
        collection.abandon()


def _take_memory(
    taker: "_Harvest", pid: Sequence[int], mounts: Sequence[str], depth: int, since: float
) -> bool:
    """Take what lies in memory; False when the process that shows it has ended."""
    number, started = pid
    if not number or start_time(number) != started:
        return False
    for path in mounts:
        try:
            taker.take(Walk(Path(f"/proc/{number}/root{path}"), depth), path, since)
        except FileNotFoundError:  # the image has no such directory
            continue
        except OSError:
            return False
    return start_time(number) == started


def usage(
    *, upper: str, seconds: float, files: int, pid: int = 0, others: Sequence[str] = ()
) -> dict[str, Any]:
    """Add up what a sandbox takes on disk and how many entries its tree has, within bounds.

    Counted with the tree are the files ``others``, and those without a name that processes
    in the namespace of ``pid`` hold open. Raises OSError.
    """
    walk = Walk(Path(upper), _USAGE_DEPTH)
    taken = count = 0
    ends = monotonic() + seconds
    counted: set[tuple[int, int]] = set()
    stopped = False
    with contextlib.closing(walk.entries()) as entries:
        for entry in entries:
            if stopped := count >= files or monotonic() > ends:
                break
            count += 1
            if not _seen(entry.status, counted):
                taken += entry.status.st_blocks * _BLOCK_BYTES
    complete = not (stopped or walk.too_deep or walk.unreadable)
    for status in (*nameless(pid), *filter(None, map(_status, others))):
        if (status.st_dev, status.st_ino) not in counted:
            counted.add((status.st_dev, status.st_ino))
            taken += status.st_blocks * _BLOCK_BYTES
    return {"bytes": taken, "files": count, "complete": complete}


class _Harvest:
    """One walk through an upper directory."""

    def __init__(self, collection: Collection, first_id: int, began: float) -> None:
        self._collection = collection
        self._began = began
        self._first_id = first_id
        self._linked: dict[tuple[int, int], Change] = {}

    def take(self, walk: Walk, prefix: str = "", since: float = 0.0) -> None:
        with contextlib.closing(walk.entries()) as entries:
            for entry in entries:
                if self._collection.expired:
                    self._collection.leave_out("seconds")
                    break
                if entry.status.st_ctime >= since:
                    self._take(dataclasses.replace(entry, path=prefix + entry.path))
        self._collection.left_out.update(
            {why: n for why, n in (("deep", walk.too_deep), ("unreadable", walk.unreadable)) if n}
        )

    def _take(self, entry: Entry) -> None:
        if is_restless(entry.path, entry.status.st_size):
            return
        if entry.status.st_ctime < self._began and is_noise(entry.path):
            return
        if self._collection.full:
            self._collection.leave_out("entries")
            return
        change = self._change(entry)
        if change.kind == "device" and change.path.startswith("/dev/"):
            return
        if change.kind == "file":
            change = self._file(entry, change)
        elif change.kind == "directory":
            change = dataclasses.replace(change, opaque=_opaque(entry))
        self._collection.add(change)

    def _change(self, entry: Entry) -> Change:
        status = entry.status
        path, raw = shown(entry.path)
        if _is_whiteout(status):
            return Change(path=path, raw=raw, kind="deleted")
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "device")
        return Change(
            path=path,
            raw=raw,
            kind=kind,
            mode=f"{stat.S_IMODE(status.st_mode):04o}",
            uid=self._inside(status.st_uid),
            gid=self._inside(status.st_gid),
            size=status.st_size if kind == "file" else None,
            mtime=moment(status.st_mtime),
            target=_target(entry) if kind == "link" else None,
        )

    def _inside(self, owner: int) -> int | None:
        return owner - self._first_id if owner >= self._first_id else None

    def _file(self, entry: Entry, change: Change) -> Change:
        inode = (entry.status.st_dev, entry.status.st_ino)
        if known := self._linked.get(inode):  # another name of the same file
            return dataclasses.replace(known, path=change.path, raw=change.raw)
        read = self._read(entry, change)
        if entry.status.st_nlink > 1 and read.kind == "file":
            self._linked[inode] = read
        return read

    def _read(self, entry: Entry, change: Change) -> Change:
        if why := self._collection.too_large(change.size or 0):
            return self._collection.unread(change, why)
        try:
            descriptor = os.open(entry.name, _FILE, dir_fd=entry.parent)
        except OSError as error:
            return self._collection.unread(change, error.strerror or "unreadable")
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return self._collection.unread(change, "replaced")
            if not change.size and _has(descriptor, _WHITEOUT):
                return Change(path=change.path, raw=change.raw, kind="deleted")
            return self._collection.read(change, file)


def shown(path: str) -> tuple[str, str | None]:
    """Return a path that any reader of JSON takes, and its bytes when they are no UTF-8."""
    raw = os.fsencode(path)
    text = raw.decode("utf-8", "backslashreplace")
    return text, None if text == path else raw.hex()


def moment(seconds: float) -> str | None:
    """Say a time, or None when an attacker set one that no calendar has."""
    try:
        return timestamp(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _seen(status: os.stat_result, counted: set[tuple[int, int]]) -> bool:
    """Whether this is a further name of a file that was counted."""
    if status.st_nlink <= 1 or stat.S_ISDIR(status.st_mode):
        return False
    inode = (status.st_dev, status.st_ino)
    known = inode in counted
    counted.add(inode)
    return known


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _target(entry: Entry) -> str | None:
    try:
        return shown(os.readlink(entry.name, dir_fd=entry.parent))[0]
    except OSError:  # replaced meanwhile
        return None


def _opaque(entry: Entry) -> bool:
    """Whether a directory hides the image's one of the same name."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(entry.name, flags, dir_fd=entry.parent)
    except OSError:  # the walk counts a directory that cannot be opened
        return False
    try:
        return _has(descriptor, _OPAQUE)
    finally:
        os.close(descriptor)


def _has(descriptor: int, names: tuple[str, ...]) -> bool:
    for name in names:
        try:
            if os.getxattr(descriptor, name) != b"x":  # "x": it only holds xattr whiteouts
                return True
        except OSError:  # it has none of this name, or the file system has none at all
            continue
    return False
