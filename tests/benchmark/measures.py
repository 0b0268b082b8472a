"""The measurements, each of one server; whoever calls them alternates between the servers."""

import contextlib
import itertools
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final

from ssh.channel import Channel

from tests.benchmark.client import Target, fail_login, logged_in, open_shell, seconds_to_prompt
from tests.benchmark.openssh_client import openssh_client, password_of
from tests.benchmark.processes import cpu_seconds, pss_mebibytes
from tests.benchmark.servers import Server

OPEN_SESSIONS: Final = 10
_FLOODERS: Final = 4
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


def bulk_output(target: Target, size: int, cipher: str | None = None) -> tuple[int, float]:
    """Read a command's output with OpenSSH's client; return bytes and seconds."""
    options = ["-c", cipher] if cipher else []
    command = openssh_client(target, *options, command=f"head -c {size} /dev/zero")
    begun = perf_counter()
    received = 0
    with subprocess.Popen(
        command, env=password_of(target), stdout=subprocess.PIPE, pipesize=_READ_BYTES
    ) as client:
        assert client.stdout is not None
        while data := os.read(client.stdout.fileno(), _READ_BYTES):
            received += len(data)
        complete = client.wait() == 0
    return received if complete else min(received, size - 1), perf_counter() - begun


def shell_cpu_ms(server: Server, count: int) -> float:
    """Measure the CPU of a shell login, to the prompt and back, where the visitor is no new one."""
    source = new_source()
    with logged_in(server.target, source) as session:
        _held = open_shell(session)
        server.settle(1)
        before = server.all_cpu_seconds()
        for _number in range(count):
            seconds_to_prompt(server.target, source)
        server.settle(1)
        return 1000 * (server.all_cpu_seconds() - before) / count


def visit_cpu_ms(server: Server, count: int) -> float:
    """Measure the CPU of a new visitor's shell login, with a sandbox made for him and deleted."""
    server.settle()
    before = server.all_cpu_seconds()
    for _number in range(count):
        seconds_to_prompt(server.target, new_source())
        server.settle()
    return 1000 * (server.all_cpu_seconds() - before) / count


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
        open_another(server, shells)
        server.settle(1)
        before = pss_mebibytes(server.grows())
        for already in range(1, OPEN_SESSIONS + 1):
            open_another(server, shells)
            server.settle(already + 1)
        return (pss_mebibytes(server.grows()) - before) / OPEN_SESSIONS


def open_another(server: Server, shells: contextlib.ExitStack) -> Channel:
    """Open a shell from a new source, to be closed with the others."""
    session = shells.enter_context(logged_in(server.target, new_source()))
    channel = open_shell(session)
    # Kept until the end: a channel that nobody holds is closed.
    shells.callback(lambda _channel: None, channel)
    return channel
