"""What is left to do when a service was killed: harvest its visitors' sandboxes, delete all.

Runs in `hermes.sandbox.broker`. The notes, one file for each sandbox that a visitor has or had,
hold what `hermes.sandbox.harvest.harvest` wants to know. A service that is killed together with
its broker leaves them to the next one.
"""

import contextlib
import fcntl
import json
import logging
import os
import select
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hermes.errors import EvidenceError
from hermes.evidence.artifacts import UNFINISHED
from hermes.evidence.changes import read, share
from hermes.evidence.events import SandboxHarvested
from hermes.evidence.record import amend
from hermes.sandbox.frames import ToGuest, frame
from hermes.sandbox.harvest import harvest
from hermes.sandbox.removal import delete, labelled
from hermes.sandbox.spec import RUN_LABEL

log = logging.getLogger(__name__)

_GRACE_SECONDS: Final = 0.5
_HALT_SECONDS: Final = 2.0
_LATE_SECONDS: Final = 3.0
_QUIET_SECONDS: Final = 0.2
_DRAINED_BYTES: Final = 1 << 20


class Reaper:
    """Keeps the notes of one run of a service, and acts on them."""

    def __init__(self, notes: Path, run: str, api: Path | None = None) -> None:
        self._notes = notes
        self._run = run
        self._api = api
        self._own: set[Path] = set()
        self._held: dict[str, int] = {}

    def note(self, name: str, order: dict[str, Any], sensor: str) -> None:
        """Keep what a harvest of this sandbox would need."""
        self._notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._notes / f".{name}"
        beside.write_text(json.dumps({"order": order, "sensor": sensor}))
        beside.replace(self._path(name))
        self._own.add(self._path(name))

    def hold(self, name: str, handed: Sequence[int]) -> None:
        """Keep a sandbox from ending with the service, by a descriptor of its stream."""
        for descriptor in handed:
            self._let_go(name)
            self._held[name] = descriptor

    def let_go(self) -> None:
        """Close every stream that is held."""
        for name in list(self._held):
            self._let_go(name)

    def harvest(self, **order: Any) -> dict[str, Any]:
        """Do what `hermes.sandbox.harvest.harvest` does, while nobody recovers."""
        with self._locked(fcntl.LOCK_SH):
            return harvest(**order)

    def forget(self, name: str) -> None:
        """Drop a note: it was harvested."""
        self._let_go(name)
        self._path(name).unlink(missing_ok=True)
        self._own.discard(self._path(name))

    def recover(self, artifacts: str) -> list[str]:
        """Harvest whatever is noted of sandboxes that have ended; returns their names.

        Copies to ``artifacts`` that were cut short are removed: nobody else copies yet.
        """
        with self._alone():
            for left in Path(artifacts).glob(UNFINISHED):
                left.unlink(missing_ok=True)
            return self._take_all(sorted(self._notes.glob("*.json")))

    def reap(self) -> None:
        """Harvest and delete every sandbox: without their streams they end by themselves.

        Those of this run are meant: a new service may have sandboxes by now.
        """
        self._halt_held()
        time.sleep(_GRACE_SECONDS)
        with self._alone():
            self._take_all(sorted(self._own))
            self.let_go()
            self._delete_all()
        time.sleep(_LATE_SECONDS)  # podman may have been asked for one more
        self._delete_all()

    def _delete_all(self) -> None:
        if containers := labelled(self._label(), self._api):
            delete(containers, self._api)

    def _take_all(self, paths: list[Path]) -> list[str]:
        return [path.stem for path in paths if self._take(path)]

    def _take(self, path: Path) -> bool:
        try:
            note = json.loads(path.read_text())
            order = note["order"]
            done = _is_harvested(Path(order["changes"]), order["stay"]["sandbox"])
            gone = path.stem not in self._held
            _tell(note["sensor"], order, None if done else harvest(**order, memory_is_gone=gone))
        except (OSError, ValueError, TypeError, KeyError):  # deleted already, or a torn note
            return False
        finally:
            path.unlink(missing_ok=True)
        return True

    def _halt_held(self) -> None:
        """End every process but the first in the sandboxes that are held."""
        for descriptor in self._held.values():
            with contextlib.suppress(OSError):  # full of what the service sent, or ended
                os.write(descriptor, frame(ToGuest.HALT))
        deadline = time.monotonic() + _HALT_SECONDS
        left = set(self._held.values())
        while left and time.monotonic() < deadline:
            readable, _, _ = select.select(left, (), (), _QUIET_SECONDS)
            if not readable:  # nothing more is said inside
                return
            left -= {descriptor for descriptor in readable if not _drained(descriptor)}

    def _let_go(self, name: str) -> None:
        descriptor = self._held.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep the broker of a service that was started again from doing it at the same time."""
        return self._locked(fcntl.LOCK_EX)

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        self._notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._notes / ".lock").open("w") as lock:
            fcntl.flock(lock, kind)
            yield

    def _label(self) -> str:
        return f"{RUN_LABEL}={self._run}"

    def _path(self, name: str) -> Path:
        return self._notes / f"{name}.json"


def _drained(descriptor: int) -> bool:
    """Read what a sandbox says, so that it goes on; False at the end of its stream."""
    try:
        return bool(os.read(descriptor, _DRAINED_BYTES))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _tell(sensor: str, order: dict[str, Any], summary: dict[str, Any] | None) -> None:
    """Give every session of the visit the document, and an event of what was done now."""
    changes, sandbox = Path(order["changes"]), order["stay"]["sandbox"]
    sessions = changes.parent.parent.parent.parent.parent
    found = [path for name in order["stay"]["sessions"] for path in sessions.glob(f"*/*/*/{name}")]
    share(changes, [path for path in found if path != changes.parent])
    for path in found if summary else ():
        now, session = datetime.now(UTC), path.name
        event = SandboxHarvested(time=now, session=session, sandbox=sandbox, **(summary or {}))
        amend(path, event, sensor)


def _is_harvested(changes: Path, sandbox: str) -> bool:
    """Whether that was done before, when more of the sandbox was left than there is now."""
    try:
        document = read(changes.parent)
    except EvidenceError:
        return False
    return document is not None and document.sandbox == sandbox
