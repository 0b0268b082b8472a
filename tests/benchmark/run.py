"""One run: both servers measured in turns, so that what else the machine does meets both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.benchmark import measures
from tests.benchmark.client import seconds_to_id, seconds_to_prompt
from tests.benchmark.figures import Figure
from tests.benchmark.honeypot import POOL_SIZE
from tests.benchmark.servers import Server

_WARM_UPS: Final = 2
_FAILURE_BATCHES: Final = 5
_FEWER_ON_SSHD: Final = 20
_BULK_RUNS: Final = 3
_MEGABYTE: Final = 1_000_000
Report = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """How often each thing is done."""

    rounds: int
    failures: int


def run(hermes: Server, sshd: Server, sizes: Sizes, report: Report) -> list[Figure]:
    """Measure everything; memory first, while the servers are fresh."""
    servers = (hermes, sshd)
    return [
        *_memory(servers, report),
        *_logins(servers, sizes.rounds, report),
        _failed_logins(servers, sizes.failures, report),
        *_bulk(servers, report),
    ]


def _memory(servers: tuple[Server, ...], report: Report) -> list[Figure]:
    idle = Figure("idle server, MiB PSS")
    sandbox = Figure("a warm sandbox, MiB PSS")
    session = Figure("an open shell, MiB PSS")
    for server in servers:
        report(f"memory of {server.name}")
        idle.add(server.name, measures.idle_pss(server))
        if server.name == "hermes":
            sandbox.add(server.name, measures.sandbox_pss(server, POOL_SIZE))
        session.add(server.name, measures.session_pss(server))
    return [idle, sandbox, session]


def _logins(servers: tuple[Server, ...], rounds: int, report: Report) -> list[Figure]:
    prompt = Figure("connect to prompt, ms", ratio_at_most=0.6)
    command = Figure("connect to id's answer, ms", ratio_at_most=0.9)
    kinds = ((prompt, seconds_to_prompt), (command, seconds_to_id))
    for number in range(-_WARM_UPS, rounds):
        report(f"logins, round {number + 1} of {rounds}")
        order = servers if number % 2 else servers[::-1]
        for figure, measure in kinds:
            for server in order:
                server.settle()
                seconds = measure(server.target, measures.new_source())
                if number >= 0:
                    figure.add(server.name, 1000 * seconds)
    return [prompt, command]


def _failed_logins(servers: tuple[Server, ...], count: int, report: Report) -> Figure:
    # What else the machine does only adds to it: the least of the batches comes nearest.
    figure = Figure("CPU of a failed login, ms", digits=2, of=min, at_most=2.5)
    for number in range(-1, _FAILURE_BATCHES):
        for server in servers if number % 2 else servers[::-1]:
            # sshd takes twenty times as long over each.
            share = 1 if server.name == "hermes" else _FEWER_ON_SSHD
            report(f"failed logins on {server.name}, {number + 1} of {_FAILURE_BATCHES}")
            batch = max(count // _FAILURE_BATCHES // share, 1)
            milliseconds = measures.failed_login_cpu_ms(server, batch)
            if number >= 0:
                figure.add(server.name, milliseconds)
    return figure


def _bulk(servers: tuple[Server, ...], report: Report) -> list[Figure]:
    complete = Figure("100 MB of output, got MB", digits=3, of=min, at_least=100)
    rate = Figure("output, MB/s")
    for number in range(_BULK_RUNS):
        for server in servers if number % 2 else servers[::-1]:
            report(f"100 MB of output of {server.name}, {number + 1} of {_BULK_RUNS}")
            server.settle()
            size, seconds = measures.bulk_output(server.target)
            complete.add(server.name, size / _MEGABYTE)
            rate.add(server.name, size / _MEGABYTE / seconds)
    return [complete, rate]
