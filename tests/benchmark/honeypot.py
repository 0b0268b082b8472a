"""``hermes up`` under the settings of the benchmark."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from hermes.control import ask, control_path
from tests.benchmark.client import Target
from tests.benchmark.processes import bury, cpu_seconds, processes_of
from tests.benchmark.servers import Server, check_alive, running, wait_until

POOL_SIZE: Final = 4
POOL_MAX: Final = 115
_START_SECONDS: Final = 900.0  # the first start builds the decoy
_USER: Final = "root"
_LISTENING: Final = "listening on "


@dataclass(frozen=True)
class Honeypot(Server):
    """Hermes, which can also be asked for its pool and its evidence."""

    socket: Path
    evidence: Path

    def pool(self) -> dict[str, Any]:
        """Ask for the pool."""
        document: dict[str, Any] = ask(self.socket, "pool")
        return document

    def recorded_bytes(self) -> int:
        """Sum the recordings of what programs without a terminal have printed."""
        files = self.evidence.glob("sessions/*/*/*/*/channel-*.stdout")
        return sum(file.stat().st_size for file in files)


@contextlib.contextmanager
def hermes(
    command: Sequence[str], account: str, image: str | None, *, size: int = POOL_SIZE
) -> Iterator[Honeypot]:
    """Run ``COMMAND up`` with a warm pool and limits that the benchmark does not reach."""
    password = secrets.token_hex(8)
    with _directory_of(account) as directory:
        log = directory / "log"
        environment = _environment(directory, image, password, size)
        with running([*command, "up"], log, environment) as process:
            wait_until(lambda: bool(_port(process, log)), _START_SECONDS, "hermes listens")
            target = Target(_port(process, log), _USER, password)
            socket = control_path(directory / "run")
            uid = psutil.Process(process.pid).uids().real
            yield Honeypot(
                name="hermes",
                target=target,
                pid=process.pid,
                grows=lambda: _sandboxes_and(process.pid, uid),
                is_idle=lambda open_sessions: _is_idle(ask(socket, "pool"), open_sessions),
                all_cpu_seconds=lambda: bury(but={process.pid}) + cpu_seconds(processes_of(uid)),
                socket=socket,
                evidence=directory / "evidence",
            )


def _environment(directory: Path, image: str | None, password: str, size: int) -> dict[str, str]:
    userdb = directory / "userdb.txt"
    userdb.write_text(f"{_USER}:x:{password}\n")
    settings = {
        "SSH__HOST": "127.0.0.1",
        "SSH__PORT": "0",
        "SSH__HOST_KEY_DIR": str(directory / "host_keys"),
        "AUTH__USERDB": str(userdb),
        "AUTH__ACCEPT_AFTER_FAILURES": "0",
        "AUTH__FAILURE_DELAY_SECONDS": "0",
        "POOL__SIZE": str(size),
        "POOL__MAX": str(POOL_MAX),
        "POOL__LINGER_SECONDS": "0",  # a connection that follows must not find a box in use
        "LIMITS__SESSIONS_PER_VISITOR": "1000",
        "LIMITS__STARTUPS": "1000:30:1000",
        "EVIDENCE__SESSION_MAX_BYTES": "2g",
        "EVIDENCE__DIR": str(directory / "evidence"),
        "RUNTIME_DIR": str(directory / "run"),
    }
    if image is not None:
        settings["SANDBOX__IMAGE"] = image
    own = {name: value for name, value in os.environ.items() if not name.startswith("HERMES_")}
    return own | {f"HERMES_{name}": value for name, value in settings.items()}


def _sandboxes_and(pid: int, uid: int) -> list[psutil.Process]:
    """List hermes itself and all that has left its tree: sandboxes and their monitors.

    Podman's service is left out: its heap breathes by more than a session takes.
    """
    children = {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return [process for process in processes_of(uid) if process.pid not in children]


def _is_idle(pool: dict[str, Any], open_sessions: int) -> bool:
    """Whether the pool is full, nothing starts, and nothing is being deleted."""
    if pool["leased"] != open_sessions or pool["warm"] < pool["target"]:
        return False
    resting: int = pool["warm"] + pool["leased"] + pool["lingering"]
    return len(pool["sandboxes"]) == resting


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Read the port from the log; 0 while it does not listen."""
    check_alive(process, log)
    lines = log.read_text(errors="replace").splitlines()
    address = next((line for line in lines if line.startswith(_LISTENING)), ":0")
    return int(address.rpartition(":")[2])


@contextlib.contextmanager
def _directory_of(account: str) -> Iterator[Path]:
    """A temporary directory in the account's home, which is its own."""
    home = Path(f"~{account}").expanduser()
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=home))
    try:
        shutil.chown(directory, account, account)
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory)
