"""A ``hermes up`` as its user runs it: a process, its settings, its files."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncssh
import psutil

T = TypeVar("T")
READY_SECONDS = 60.0
STOP_SECONDS = 30.0
# As `python -m hermes`, but a session that makes the event loop wait for anything breaks.
_MAIN = """
from blockbuster import BlockBuster
from hermes.cli import main
BlockBuster("hermes.ssh").activate()
main()
"""


class Hermes:
    """One service and the command line beside it, in a directory of its own."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        self.directory = directory
        self.evidence = directory / "evidence"
        self.log = directory / "hermes.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.before: list[str] = []
        self.passed: tuple[int, ...] = ()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HERMES_")},
            "HERMES_SSH__PORT": "0",
            "HERMES_SSH__HOST_KEY_DIR": str(directory / "host_keys"),
            "HERMES_EVIDENCE__DIR": str(self.evidence),
            "HERMES_RUNTIME_DIR": str(directory / "run"),
            **{f"HERMES_{name}": value for name, value in settings.items()},
        }

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.launch()
        lines = wait_for(self._listening, READY_SECONDS, self.log.read_text)
        self.port = int(lines[-1].rpartition(":")[2])

    def launch(self) -> None:
        """Start it and wait for nothing."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*self.before, sys.executable, "-c", _MAIN, "up"],
                pass_fds=self.passed,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
            )

    def _listening(self) -> list[str]:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return [line for line in self.log.read_text().splitlines() if line.startswith("listening")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal and return its exit status; a second call does nothing."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        return process.wait(STOP_SECONDS)

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command with the same settings."""
        return subprocess.run(
            [sys.executable, "-m", "hermes", *arguments],
            env=self.environment,
            cwd=self.directory,
            check=check,
            capture_output=True,
            text=True,
            timeout=READY_SECONDS,
        )

    def connect(
        self,
        user: str = "root",
        password: str = "toor",  # noqa: S107 - one of the userdb
        source: str = "127.0.0.1",
    ) -> "asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]":
        """Log in with asyncssh and nothing of this machine's own configuration.

        Another ``source`` is another visitor: every address of 127.0.0.0/8 is this machine's.
        """
        return asyncssh.connect(
            "127.0.0.1",
            self.port,
            username=user,
            password=password,
            local_addr=(source, 0),
            known_hosts=None,
            client_keys=None,
            agent_path=None,
            config=None,
            preferred_auth="password",
        )

    def ssh(self, *arguments: str) -> list[str]:
        """Compose the command of OpenSSH's client."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        flags = [flag for option in options for flag in ("-o", option)]
        target = [*flags, "-F", "none", "-p", str(self.port), "root@127.0.0.1"]
        return ["sshpass", "-p", "toor", "ssh", *target, *arguments]

    def pool(self) -> dict[str, Any]:
        """Ask for the pool's status."""
        document: dict[str, Any] = json.loads(self.cli("pool", "status", "--json").stdout)
        return document

    def sessions(self) -> list[dict[str, Any]]:
        """Read every session.json there is, the oldest first."""
        paths = self.evidence.glob("sessions/*/*/*/*/session.json")
        found = [json.loads(path.read_text()) for path in paths]
        return sorted(found, key=lambda session: str(session["started"]))

    def closed_sessions(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many sessions have ended, and read them."""

        def enough() -> list[dict[str, Any]]:
            found = self.sessions()
            return found if len(found) >= count else []

        return wait_for(enough, 15.0)

    def directory_of(self, session: str) -> Path:
        """Find the directory of a session."""
        return next(self.evidence.glob(f"sessions/*/*/*/{session}"))

    def containers(self) -> list[str]:
        """Name the containers that podman has of a Hermes in this directory."""
        instance = hashlib.sha256(str(self.directory / "run").encode()).hexdigest()[:12]
        command = ["podman", "ps", "--all", "--filter", f"label=hermes.instance={instance}"]
        out = subprocess.run(
            [*command, "--format", "{{.Names}}"], check=True, capture_output=True, text=True
        )
        return out.stdout.split()

    def api_service(self) -> psutil.Process | None:
        """Find the podman service that Hermes runs."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        return next((child for child in children if child.name() == "podman"), None)


class Start(Protocol):
    """Starts a service with settings, named without their prefix."""

    def __call__(self, **settings: str) -> Hermes:
        """Start it and wait until it listens."""
        ...


def wait_for(condition: Callable[[], T], seconds: float, report: Callable[[], str] = str) -> T:
    """Poll until the condition holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {report()}"
        time.sleep(0.05)
    return result


def banner_of(port: int, host: str = "127.0.0.1") -> bytes:
    """Read what the server says first; empty when it hangs up at once."""
    with socket.create_connection((host, port), timeout=5) as client:
        try:
            return client.recv(255)
        except ConnectionResetError:
            return b""


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """Hold a process and its children still, as a machine under load would."""
    held = [process, *process.children(recursive=True)]
    for one in held:
        one.suspend()
    try:
        yield
    finally:
        for one in held:
            one.resume()
