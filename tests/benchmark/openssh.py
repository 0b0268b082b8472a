"""OpenSSH's sshd as Debian configures it, beside the machine's own, for a user of its own."""

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from tests.benchmark.client import BenchmarkError, Target
from tests.benchmark.processes import cpu_seconds, tree
from tests.benchmark.servers import Server, check_alive, running, wait_until

_SSHD: Final = "/usr/sbin/sshd"  # it starts itself again by this name
_USER: Final = "hermes-bench-login"
_PRIVILEGE_SEPARATION: Final = Path("/run/sshd")
_START_SECONDS: Final = 10.0
_COMMAND_SECONDS: Final = 30.0
_CONFIG: Final = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {key}
PidFile none
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
X11Forwarding yes
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
MaxStartups 1000:30:1000
"""
# Since OpenSSH 9.8 an address that fails often has to wait.
_NO_PENALTIES: Final = ("-o", "PerSourcePenalties=no")


@contextlib.contextmanager
def openssh() -> Iterator[Server]:
    """Run sshd with a host key, a configuration and a login that last as long as it does."""
    password = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_login(password))
        stack.enter_context(_separation_directory())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        port = _free_port()
        command = _command(directory, port)
        log = directory / "log"
        process = stack.enter_context(running(command, log, os.environ))
        wait_until(lambda: _listens(process, log), _START_SECONDS, "sshd listens")
        target = Target(port, _USER, password)
        parent = psutil.Process(process.pid)
        yield Server(
            name="sshd",
            target=target,
            pid=process.pid,
            grows=lambda: tree(process.pid),
            is_idle=lambda open_sessions: len(parent.children()) == open_sessions,
            all_cpu_seconds=lambda: cpu_seconds(tree(process.pid)),
        )


def _command(directory: Path, port: int) -> list[str]:
    key, config = directory / "host_key", directory / "sshd_config"
    _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    config.write_text(_CONFIG.format(port=port, key=key))
    command = [_SSHD, "-D", "-e", "-f", str(config)]
    lenient = [*command, *_NO_PENALTIES]
    check = subprocess.run(
        [*lenient, "-t"], check=False, capture_output=True, timeout=_COMMAND_SECONDS
    )
    return lenient if check.returncode == 0 else command


def _listens(process: subprocess.Popen[bytes], log: Path) -> bool:
    check_alive(process, log)
    return "Server listening on" in log.read_text(errors="replace")


@contextlib.contextmanager
def _login(password: str) -> Iterator[None]:
    """A user with bash, removed again; one that a killed run left is replaced."""
    _remove_login()
    _call("useradd", "--create-home", "--shell", "/bin/bash", _USER)
    try:
        _call("chpasswd", words=f"{_USER}:{password}\n")
        yield
    finally:
        _remove_login()


def _remove_login() -> None:
    # Status 6: there is no such user.
    _call("userdel", "--remove", _USER, accepted=(0, 6))


@contextlib.contextmanager
def _separation_directory() -> Iterator[None]:
    """The empty directory that sshd insists on; left alone where it is already."""
    try:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    except FileExistsError:
        yield
        return
    try:
        yield
    finally:
        _PRIVILEGE_SEPARATION.rmdir()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _call(*command: str, words: str = "", accepted: tuple[int, ...] = (0,)) -> None:
    result = subprocess.run(
        command,
        input=words,
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    if result.returncode not in accepted:
        raise BenchmarkError(f"{command[0]} failed: {result.stderr.strip()}")
