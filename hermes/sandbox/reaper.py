"""What is left to do when a service was killed: harvest its visitors' sandboxes, delete all.

Runs in `hermes.sandbox.broker`. The notes, one file for each sandbox that a visitor has or had,
hold what `hermes.sandbox.harvest.harvest` wants to know. A service that is killed together with
its broker leaves them to the next one.
"""

import contextlib
import fcntl
import json
import logging
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hermes.errors import EvidenceError
from hermes.evidence.changes import read, share
from hermes.sandbox.harvest import harvest
from hermes.sandbox.spec import INSTANCE_LABEL

log = logging.getLogger(__name__)

_GRACE_SECONDS: Final = 0.5
_PODMAN_SECONDS: Final = 40.0


class Reaper:
    """Keeps the notes of one instance, and acts on them."""

    def __init__(self, notes: Path, instance: str) -> None:
        self._notes = notes
        self._instance = instance

    def note(self, name: str, order: dict[str, Any]) -> None:
        """Keep what a harvest of this sandbox would need."""
        self._notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._notes / f".{name}"
        beside.write_text(json.dumps({**order, "mounts": []}))
        beside.replace(self._path(name))

    def forget(self, name: str) -> None:
        """Drop a note: it was harvested."""
        self._path(name).unlink(missing_ok=True)

    def recover(self) -> list[str]:
        """Harvest whatever is noted of sandboxes that have ended; returns their names."""
        with self._alone():
            return [path.stem for path in sorted(self._notes.glob("*.json")) if self._take(path)]

    def reap(self) -> None:
        """Harvest and delete every sandbox: their streams are closed, so they have ended."""
        time.sleep(_GRACE_SECONDS)
        self.recover()
        with self._alone():
            names = self._podman("ps", "--all", "--quiet", "--filter", self._label()).split()
            if names:
                self._podman("rm", "--force", "--time=0", "--volumes", *names)

    def _take(self, path: Path) -> bool:
        try:
            order = json.loads(path.read_text())
            first = Path(order["changes"])
            if not _is_harvested(first, order["stay"]["sandbox"]):
                harvest(**order)
            share(first, _others(first, order["stay"]["sessions"]))
        except (OSError, ValueError, TypeError, KeyError):  # deleted already, or a torn note
            return False
        finally:
            path.unlink(missing_ok=True)
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep the broker of a service that was started again from doing it at the same time."""
        self._notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._notes / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _podman(self, *arguments: str) -> str:
        podman = shutil.which("podman")
        if podman is None:
            return ""
        try:
            done = subprocess.run(
                [podman, *arguments],
                capture_output=True,
                text=True,
                timeout=_PODMAN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    def _label(self) -> str:
        return f"label={INSTANCE_LABEL}={self._instance}"

    def _path(self, name: str) -> Path:
        return self._notes / f"{name}.json"


def _is_harvested(changes: Path, sandbox: str) -> bool:
    """Whether that was done before, when more of the sandbox was left than there is now."""
    try:
        document = read(changes.parent)
    except EvidenceError:
        return False
    return document is not None and document.sandbox == sandbox


def _others(first: Path, sessions: list[str]) -> list[Path]:
    """Find the directories of the further sessions, which lie where the first one's does."""
    days = first.parent.parent.parent.parent.parent
    found = [path for session in sessions[1:] for path in days.glob(f"*/*/*/{session}")]
    return [path for path in found if path != first.parent]
