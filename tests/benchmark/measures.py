"""The measurements, each of one server; whoever calls them alternates between the servers."""

import contextlib
import itertools
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final

from tests.benchmark.client import Target, fail_login, logged_in, open_shell
from tests.benchmark.processes import cpu_seconds, pss_mebibytes
from tests.benchmark.servers import Server

BULK_BYTES: Final = 100_000_000
OPEN_SESSIONS: Final = 10
_FLOODERS: Final = 4
_BULK_SECONDS: Final = 120.0
_READ_BYTES: Final = 1 << 20
_sources = itertools.count(2)


def new_source() -> str:
    """Return an address of the loopback that was not used yet, so that nobody knows the visitor."""
    number = next(_sources)
    return f"127.0.{number // 250}.{number % 250 + 1}"


def failed_login_cpu_ms(server: Server, count: int) -> float:
    """Measure the server's CPU for each of ``count`` connections that fail one login."""
    server.settle()
    before = cpu_seconds(server.tree)
    with ThreadPoolExecutor(_FLOODERS) as pool:
        for _done in pool.map(fail_login, [server.target] * count):
            pass
    server.settle()
    return 1000 * (cpu_seconds(server.tree) - before) / count


def bulk_output(target: Target) -> tuple[int, float]:
    """Read 100 MB of a command's output with OpenSSH's client; return bytes and seconds."""
    command = _openssh_client(target, f"head -c {BULK_BYTES} /dev/zero")
    environment = os.environ | {"SSHPASS": target.password}
    begun = perf_counter()
    received = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        while data := os.read(client.stdout.fileno(), _READ_BYTES):
            received += len(data)
        complete = client.wait() == 0
    return received if complete else min(received, BULK_BYTES - 1), perf_counter() - begun


def idle_pss(server: Server) -> float:
    """Measure the memory of the server without its sandboxes, in MiB."""
    server.settle()
    return pss_mebibytes(server.tree)


def sandbox_pss(server: Server, count: int) -> float:
    """Measure the memory of one of ``count`` warm sandboxes with its monitor, in MiB."""
    server.settle()
    return pss_mebibytes(p for p in server.grows() if p.pid != server.pid) / count


def session_pss(server: Server) -> float:
    """Measure what one of several open shells takes, with its sandbox, in MiB.

    The first one does not count: it loads what all later ones share.
    """
    with contextlib.ExitStack() as shells:
        _open_another(server, shells)
        server.settle(1)
        before = pss_mebibytes(server.grows())
        for already in range(1, OPEN_SESSIONS + 1):
            _open_another(server, shells)
            server.settle(already + 1)
        return (pss_mebibytes(server.grows()) - before) / OPEN_SESSIONS


def _open_another(server: Server, shells: contextlib.ExitStack) -> None:
    session = shells.enter_context(logged_in(server.target, new_source()))
    # Kept until the end: a channel that nobody holds is closed.
    shells.callback(lambda _channel: None, open_shell(session))


def _openssh_client(target: Target, command: str) -> list[str]:
    options = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "PreferredAuthentications=password",
        f"ConnectTimeout={_BULK_SECONDS:.0f}",
    )
    flags = [flag for option in options for flag in ("-o", option)]
    login = ["-F", "none", *flags, "-p", str(target.port), f"{target.user}@127.0.0.1"]
    return ["timeout", f"{_BULK_SECONDS:.0f}", "sshpass", "-e", "ssh", *login, command]
