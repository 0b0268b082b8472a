"""Bytes that attackers brought, each kept once under its SHA-256."""

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from hermes.errors import EvidenceError

UNFINISHED: Final = ".*.new"
_PIECE_BYTES: Final = 1 << 20
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o400
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Source(Protocol):
    """What bytes are read from, such as an open file."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, and none at the end."""
        ...


@dataclass(frozen=True)
class Artifact:
    """One kept file; ``kept`` is in seconds since the epoch."""

    sha256: str
    size: int
    kept: float


class Artifacts:
    """The directory of artifacts; it is made when the first one is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, sha256: str) -> Path:
        """Where the bytes of this hash are, or would be."""
        return self._directory / sha256[:2] / sha256

    def keep(self, source: Source, most_bytes: int) -> tuple[str, int]:
        """Keep what ``source`` gives and return its hash and size; blocks.

        Raises EvidenceError for more than ``most_bytes``, and OSError. Nothing is left then.
        """
        first = source.read(_PIECE_BYTES)
        if len(first) < _PIECE_BYTES:
            _check(len(first), most_bytes)
            sha256 = hashlib.sha256(first).hexdigest()
            if not self.path(sha256).exists():  # a small one that is known costs no writing
                self._copy(first, source, most_bytes)
            return sha256, len(first)
        return self._copy(first, source, most_bytes)

    def all(self) -> Iterator[Artifact]:
        """Every artifact, by hash."""
        for path in sorted(self._directory.glob("[0-9a-f][0-9a-f]/*")):
            if _SHA256.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                    status = path.stat()
                    yield Artifact(path.name, status.st_size, status.st_mtime)

    def find(self, sha256: str) -> Artifact:
        """Return the artifact whose hash begins so; raises EvidenceError."""
        if not re.fullmatch(r"[0-9a-f]{1,64}", sha256):
            raise EvidenceError(f"{sha256!r} is no SHA-256: 64 lower-case hex digits")
        found = [artifact for artifact in self.all() if artifact.sha256.startswith(sha256)]
        if not found:
            raise EvidenceError(f"no artifact {sha256}; see hermes artifacts list")
        if len(found) > 1:
            raise EvidenceError(f"{sha256} begins {len(found)} hashes; give more digits")
        return found[0]

    def export(self, artifact: Artifact, target: Path) -> None:
        """Copy the bytes to a new file that nobody can run; raises EvidenceError."""
        digest = hashlib.sha256()
        try:
            with self.path(artifact.sha256).open("rb") as kept, target.open("xb") as file:
                os.fchmod(file.fileno(), _FILE_MODE)
                while piece := kept.read(_PIECE_BYTES):
                    digest.update(piece)
                    file.write(piece)
        except FileExistsError as error:
            raise EvidenceError(f"{target} exists; choose another name") from error
        except OSError as error:
            raise EvidenceError(f"{target} cannot be written: {error.strerror}") from error
        if digest.hexdigest() != artifact.sha256:
            raise EvidenceError(f"{target} is damaged: its bytes no longer have this hash")

    def _copy(self, piece: bytes, source: Source, most_bytes: int) -> tuple[str, int]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)
        beside = self._directory / UNFINISHED.replace("*", secrets.token_hex(8))
        try:
            with beside.open("xb", buffering=0) as file:
                os.fchmod(file.fileno(), _FILE_MODE)
                sha256, size = _pour(piece, source, file.fileno(), most_bytes)
            final = self.path(sha256)
            final.parent.mkdir(exist_ok=True, mode=_DIRECTORY_MODE)
            if not final.exists():  # its time says when the bytes were seen first
                beside.replace(final)
            beside.unlink(missing_ok=True)
        except (OSError, EvidenceError):
            beside.unlink(missing_ok=True)
            raise
        return sha256, size


def _pour(piece: bytes, source: Source, target: int, most_bytes: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while piece:
        size += len(piece)
        _check(size, most_bytes)
        digest.update(piece)
        left = memoryview(piece)
        while left:
            left = left[os.write(target, left) :]
        piece = source.read(_PIECE_BYTES)
    return digest.hexdigest(), size


def _check(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise EvidenceError(f"there is more than {most_bytes} bytes")
