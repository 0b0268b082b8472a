"""What the two servers have in common: they are started for the benchmark and end with it."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import psutil

from tests.benchmark.client import BenchmarkError, Target
from tests.benchmark.processes import tree

_QUIET_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.2
_POLL_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 40.0


@dataclass(frozen=True)
class Server:
    """A server that runs, and how it tells what it consists of and whether it is at rest."""

    name: str
    target: Target
    pid: int
    grows: Callable[[], list[psutil.Process]]
    """List what is there for sessions, and the process that serves them."""
    is_idle: Callable[[int], bool]
    """Tell whether so many sessions are open, and nothing is under way."""
    all_cpu_seconds: Callable[[], float]
    """Sum the CPU of the server and of everything that it ever started, containers too."""

    @property
    def tree(self) -> list[psutil.Process]:
        """The server with its children."""
        return tree(self.pid)

    def settle(self, open_sessions: int = 0) -> None:
        """Wait until the server has no work left of what was measured before."""
        what = f"{self.name} at rest with {open_sessions} open sessions"
        wait_until(lambda: self.is_idle(open_sessions), _QUIET_SECONDS, what)
        sleep(_PAUSE_SECONDS)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until the condition holds; raises BenchmarkError naming what did not happen."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            raise BenchmarkError(f"{what}: not within {seconds:g} s")
        sleep(_POLL_SECONDS)


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in a session of its own, out of the reach of Ctrl-C, and end it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check_alive(process: subprocess.Popen[bytes], log: Path) -> None:
    """Raise BenchmarkError with the last line of the log when the process has ended."""
    if process.poll() is not None:
        lines = log.read_text(errors="replace").splitlines()
        said = lines[-1] if lines else f"status {process.returncode}"
        raise BenchmarkError(f"{process.args!r} did not start: {said}")
