"""The files of a deployment: written whole or not at all, and told from everyone else's."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hermes.deployment.places import Places
from hermes.errors import DeploymentError

MARK: Final = "hermes quadlet generate"
_UNMARKED: Final = frozenset({".json"})  # has no comments


@dataclass
class Swap:
    """Files put in the places of others, which `undo` puts back."""

    before: dict[Path, bytes | None] = field(default_factory=dict)

    def put(self, path: Path, text: str) -> None:
        """Write one file; raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.before.setdefault(path, path.read_bytes() if path.exists() else None)
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(text)
        beside.chmod(0o644)
        beside.replace(path)

    def take(self, path: Path) -> None:
        """Remove one file; one that is gone is no error."""
        if path.exists():
            self.before.setdefault(path, path.read_bytes())
            path.unlink()

    def undo(self) -> None:
        """Put everything back as it was; raises OSError."""
        for path, data in self.before.items():
            if data is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(data)
        self.before.clear()


def write(places: Places, files: Mapping[str, str], obsolete: Iterable[str]) -> Swap:
    """Put the files in place and remove the obsolete; raises DeploymentError, nothing changed."""
    swap = Swap()
    try:
        for name, text in files.items():
            swap.put(places.path(name), text)
            _give(places, places.path(name))
        for name in obsolete:
            swap.take(places.path(name))
    except OSError as error:
        swap.undo()
        raise DeploymentError(
            f"{error.filename or name} cannot be written: {error.strerror}"
        ) from error
    return swap


def foreign(places: Places, names: Iterable[str]) -> list[Path]:
    """List those of our places that hold somebody else's file."""
    paths = [places.path(name) for name in names]
    return [path for path in paths if path.exists() and not _is_ours(path)]


def _is_ours(path: Path) -> bool:
    if path.suffix in _UNMARKED:
        return True
    try:
        return MARK in path.read_text(errors="replace").partition("\n")[0]
    except OSError:  # unreadable, so not written by this user
        return False


def _give(places: Places, path: Path) -> None:
    """Let the user own what root puts into his home."""
    if os.getuid() == 0 and path.is_relative_to(places.home):
        for made in (path, path.parent):
            os.chown(made, places.uid, -1)
