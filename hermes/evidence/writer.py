"""The one thread that writes evidence, so that the event loop never waits for a disk.

What is queued is bounded: beyond `MAX_PENDING_BYTES` a write is refused, counted and
left out, because neither the attacker nor the other sessions may wait for it.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Final

from hermes.errors import EvidenceError

log = logging.getLogger(__name__)

MAX_PENDING_BYTES: Final = 64 << 20
_BATCH_SECONDS: Final = 0.02
_DIRECTORY_MODE: Final = 0o700
_Job = Callable[[], bool]


class Writer:
    """Owns the thread; `close` writes what is queued and ends it."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._pending_bytes = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)
        self._failure: OSError | None = None
        self._thread.start()

    @property
    def failure(self) -> OSError | None:
        """Why the last write failed, or None when the disk takes evidence."""
        return self._failure

    def open(self, path: Path) -> "Sink":
        """Create a file that must not exist yet, with its directories, when its turn comes."""
        return Sink(self, path)

    def submit(self, job: _Job, size: int) -> bool:
        """Queue a job that holds ``size`` bytes; False when the queue is full.

        The job raises OSError, or returns whether the disk took something.
        """
        with self._lock:
            if self._pending_bytes + size > MAX_PENDING_BYTES:
                return False
            self._pending_bytes += size
        self._jobs.put(lambda: self._perform(job, size))
        return True

    def append(self, sink: "Sink", data: bytes) -> bool:
        """Queue bytes for a file, together with others that it waits for; False as in `submit`."""
        with self._lock:
            if self._pending_bytes + len(data) > MAX_PENDING_BYTES:
                return False
            self._pending_bytes += len(data)
            sink.parts.append(data)
            is_first = len(sink.parts) == 1
        if is_first:
            self._jobs.put(lambda: self._flush(sink))
        return True

    def close(self) -> None:
        """Block until everything is written; idempotent."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            if self._jobs.empty():
                # A burst of small jobs is written at one waking: each costs the event loop time.
                time.sleep(_BATCH_SECONDS)

    def _flush(self, sink: "Sink") -> None:
        with self._lock:
            parts, sink.parts = sink.parts, []
        self._perform(lambda: sink.put(parts), sum(map(len, parts)))

    def _perform(self, job: _Job, size: int) -> None:
        try:
            if job():
                self._failure = None
        except OSError as error:
            if self._failure is None:
                log.error("evidence cannot be written: %s", error)  # noqa: TRY400 - one sentence
            self._failure = error
        finally:
            with self._lock:
                self._pending_bytes -= size


class Sink:
    """One file being written; all methods return at once.

    ``whole`` turns False when the disk refuses some of it; only the thread may ask. ``parts``
    is the writer's, under its lock.
    """

    def __init__(self, writer: Writer, path: Path) -> None:
        self.whole = True
        self.parts: list[bytes] = []
        self._size = 0
        self._writer = writer
        self._path = path
        self._file: FileIO | None = None
        writer.submit(self._open, 0)

    @property
    def has_all(self) -> bool:
        """Whether the file has what was written here and nothing else; only the thread may ask."""
        try:
            return self.whole and self._path.stat().st_size == self._size
        except OSError:
            return False

    def write(self, data: bytes) -> bool:
        """Append; False when the writer is too far behind and left it out."""
        return self._writer.append(self, data)

    def close(self, last: bytes = b"") -> None:
        """Append what is last, however far behind the writer is, and close the file."""
        self._writer.submit(lambda: self._close(last), 0)

    def _open(self) -> bool:
        _make_directory(self._path.parent)
        self._file = self._path.open("xb", buffering=0)
        return True

    def put(self, parts: list[bytes]) -> bool:
        """Write what was queued, in the writer's thread; raises OSError when some is refused."""
        before, self.whole = self.whole, False
        if self._file is None:
            return False
        self._size += sum(map(len, parts))
        try:
            _append(self._file, b"".join(parts))
        except OSError:
            self._put_each(self._file, parts)
        self.whole = before
        return True

    def _put_each(self, file: FileIO, parts: list[bytes]) -> None:
        """Write those that the disk has room for; raises the last refusal."""
        refusal: OSError | None = None
        for part in parts:
            try:
                _append(file, part)
            except OSError as error:
                refusal = error
        if refusal is not None:
            raise refusal

    def _close(self, last: bytes) -> bool:
        try:
            return bool(last) and self.put([last])
        finally:
            file, self._file = self._file, None
            if file is not None:
                file.close()


def check_writable(directory: Path) -> None:
    """Make the directory and write a file in it; raises EvidenceError with the fix."""
    probe = directory / ".writable"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise EvidenceError(
            f"{directory} cannot be written ({error.strerror}); "
            "choose another HERMES_EVIDENCE__DIR or give it to this user"
        ) from error


def _make_directory(path: Path) -> None:
    """Make it as rarely as it is needed, and those above it more rarely still."""
    try:
        os.mkdir(path, _DIRECTORY_MODE)  # noqa: PTH102 - half the time, and each session has one
    except FileExistsError:
        return
    except FileNotFoundError:
        path.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)


def _append(file: FileIO, data: bytes) -> None:
    """Write everything or, when the disk refuses a part, nothing: a torn line spoils the next."""
    before = file.seek(0, os.SEEK_END)
    left = memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        file.seek(before)
        file.truncate()
        raise


def append_line(path: Path, line: bytes) -> bool:
    """Append to a file of whole lines; False when it is gone. Blocks, raises OSError."""
    try:
        with path.open("r+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END) and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                line = b"\n" + line  # a crash cut the last one short: it must not spoil this one
            _append(file, line)
    except FileNotFoundError:  # evidence may be moved away while its sandbox lingers
        return False
    return True


def replace_file(path: Path, data: bytes) -> None:
    """Write a whole file beside ``path`` and rename it into place; blocks, raises OSError."""
    _make_directory(path.parent)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
