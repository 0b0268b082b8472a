"""What a service leaves on its machine: containers, processes, mounts and sockets."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.integration.running import Hermes

# podman's own: it keeps the user's namespace for the next command.
_PAUSE = "catatonit"
_ENGINE = ("conmon", "podman", "crun", "runc")


def _unshared(path: str) -> list[str]:
    """Read a file of /proc/self in the namespace in which podman works."""
    command = ["podman", "unshare", "cat", f"/proc/self/{path}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.splitlines()


def _mounts() -> set[str]:
    return {line.split()[4] for line in _unshared("mountinfo") if " - overlay " in line}


@dataclass
class Machine:
    """The machine before a service starts on it; what has come since is the service's."""

    mounts: set[str] = field(default_factory=_mounts)
    processes: set[int] = field(default_factory=lambda: set(psutil.pids()))
    owners: list[tuple[int, int]] = field(
        default_factory=lambda: [
            (int(first), int(count))
            for _, first, count in (line.split() for line in _unshared("uid_map"))
        ]
    )

    def living(self) -> Iterator[psutil.Process]:
        """Every process of the service, of podman for it, and in its sandboxes."""
        for process in psutil.process_iter():
            try:
                if process.pid not in self.processes and self._is_ours(process):
                    yield process
            except psutil.NoSuchProcess:  # ended while it was looked at
                continue

    def named(self, name: str, word: str = "") -> list[psutil.Process]:
        """Every such process with this name and this word in its command."""
        found = []
        for process in self.living():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name().startswith(name) and word in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def remains(self, hermes: Hermes) -> list[str]:
        """Say what there is of a service; empty when nothing is left."""
        return [
            *(f"container {name}" for name in hermes.containers()),
            *(f"process {process}" for process in self.living()),
            *(f"mount {path}" for path in _mounts() - self.mounts),
            *(f"socket {path}" for path in _sockets(hermes.directory)),
        ]

    def _is_ours(self, process: psutil.Process) -> bool:
        owner, name = process.uids().real, process.name()
        if name == _PAUSE or process.status() == psutil.STATUS_ZOMBIE:
            return False
        (own, _), *others = self.owners
        if owner == own:
            return name in _ENGINE or "hermes" in " ".join(process.cmdline())
        return any(first <= owner < first + count for first, count in others)


def _sockets(directory: Path) -> list[str]:
    """Name the Unix sockets below a directory that a process still has."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    paths = [line.split()[7] for line in lines if len(line.split()) > 7]
    return [path for path in paths if path.startswith(str(directory))]
