"""How long a character takes to appear, while others are at work."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

from tests.benchmark.client import BenchmarkError
from tests.benchmark.openssh_client import openssh_client, password_of
from tests.benchmark.servers import Server, wait_until

KEYSTROKES: Final = 40
_PAUSE_SECONDS: Final = 0.03
_START_SECONDS: Final = 20.0
_FLOOD_SECONDS: Final = 1.0  # until every buffer on the way is full
_READY: Final = b"ready"
_TYPIST: Final = f"echo {_READY.decode()}; exec cat"


def beside_output(server: Server) -> list[float]:
    """Measure keystrokes in one channel while another of the connection prints all it can."""
    server.settle()
    with (
        _connection(server) as shared,
        _channel(server, shared, "yes", subprocess.DEVNULL),
        _channel(server, shared, _TYPIST, subprocess.PIPE, "-tt") as typist,
    ):
        _read_until(typist, _READY)
        sleep(_FLOOD_SECONDS)
        return [_paused(lambda: _echo(typist)) for _number in range(KEYSTROKES)]


def _paused(measure: Callable[[], float]) -> float:
    seconds = measure()
    sleep(_PAUSE_SECONDS)
    return seconds


def _echo(typist: subprocess.Popen[bytes]) -> float:
    assert typist.stdin is not None
    begun = perf_counter()
    os.write(typist.stdin.fileno(), b"k")
    _read_until(typist, b"k")
    return perf_counter() - begun


def _read_until(program: subprocess.Popen[bytes], words: bytes) -> None:
    assert program.stdout is not None
    seen = b""
    while words not in seen:
        data = os.read(program.stdout.fileno(), 4096)
        if not data:
            raise BenchmarkError(f"a channel ended with {seen[-80:]!r}")
        seen += data


@contextlib.contextmanager
def _connection(server: Server) -> Iterator[Path]:
    """Log in once, and yield the socket by which others share the connection."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        socket = Path(directory) / "s"
        command = openssh_client(server.target, "-M", "-N", "-S", str(socket))
        environment = password_of(server.target)
        # It complains of a terminal's modes, which a pipe does not have.
        with _ended(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)):
            wait_until(socket.exists, _START_SECONDS, "a connection to share")
            yield socket


@contextlib.contextmanager
def _channel(
    server: Server, shared: Path, words: str, output: int, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    command = openssh_client(server.target, "-S", str(shared), *options, command=words)
    program = subprocess.Popen(
        command, env=password_of(server.target), stdin=subprocess.PIPE, stdout=output
    )
    with _ended(program):
        yield program


@contextlib.contextmanager
def _ended(program: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    with program:
        try:
            yield program
        finally:
            program.terminate()
