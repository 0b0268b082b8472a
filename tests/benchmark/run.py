"""One run: both servers measured in turns, so that what else the machine does meets both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.benchmark import crowd, keystrokes, measures
from tests.benchmark.client import seconds_to_id, seconds_to_prompt
from tests.benchmark.figures import Figure
from tests.benchmark.honeypot import POOL_SIZE, Honeypot
from tests.benchmark.servers import Server
from tests.benchmark.stock import (
    FULL,
    StartFull,
    seconds_to_full,
    seconds_to_prompt_without_refill,
    seconds_to_refill,
)

_WARM_UPS: Final = 2
_FAILURE_BATCHES: Final = 5
_FEWER_ON_SSHD: Final = 20
_BULK_RUNS: Final = 3
_CPU_BATCHES: Final = 2
_STARTS: Final = 3
_MEGABYTE: Final = 1_000_000
_GCM: Final = "aes128-gcm@openssh.com"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """How often each thing is done."""

    rounds: int
    failures: int


def run(hermes: Honeypot, sshd: Server, sizes: Sizes, report: Report) -> list[Figure]:
    """Measure everything; memory first, while the servers are fresh."""
    servers = (hermes, sshd)
    return [
        *_memory(servers, report),
        *_logins(servers, sizes.rounds, report),
        *_refills(hermes, sizes.rounds, report),
        *_login_cpu(servers, sizes.rounds, report),
        _failed_logins(servers, sizes.failures, report),
        *_keystrokes(servers, report),
        *_bulk(servers, report),
        *_recorded_bulk(hermes, sshd, report),
    ]


def start(start_full: StartFull, report: Report) -> list[Figure]:
    """Measure the start of a large pool, with nothing else of hermes running."""
    made = Figure(f"{FULL} sandboxes from none to warm, s", digits=1, at_most=3)
    full = Figure(f"hermes up to {FULL} warm, s", digits=2)
    for number in range(_STARTS):
        report(f"{FULL} sandboxes from nothing, {number + 1} of {_STARTS}")
        for figure, seconds in zip((made, full), seconds_to_full(start_full), strict=True):
            figure.add("hermes", seconds)
    return [made, full]


def _memory(servers: tuple[Server, ...], report: Report) -> list[Figure]:
    idle = Figure("idle server, MiB PSS")
    sandbox = Figure("a warm sandbox, MiB PSS", at_most=1)
    session = Figure("an open shell, MiB PSS", at_most=3)
    for server in servers:
        report(f"memory of {server.name}")
        idle.add(server.name, measures.idle_pss(server))
        if server.name == "hermes":
            sandbox.add(server.name, measures.sandbox_pss(server, POOL_SIZE))
        session.add(server.name, measures.session_pss(server))
    return [idle, sandbox, session]


def _logins(servers: tuple[Server, ...], rounds: int, report: Report) -> list[Figure]:
    prompt = Figure("connect to prompt, ms", ratio_at_most=0.25)
    command = Figure("connect to id's answer, ms", ratio_at_most=0.22)
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


def _refills(hermes: Honeypot, rounds: int, report: Report) -> list[Figure]:
    refill = Figure("pool whole after a lease, ms", digits=0, at_most=250)
    unhindered = Figure("to prompt without a refill, ms")
    for number in range(rounds):
        report(f"refills, round {number + 1} of {rounds}")
        refill.add(hermes.name, 1000 * seconds_to_refill(hermes))
        unhindered.add(hermes.name, 1000 * seconds_to_prompt_without_refill(hermes))
    return [refill, unhindered]


def _login_cpu(servers: tuple[Server, ...], count: int, report: Report) -> list[Figure]:
    again = Figure("CPU of a shell login, ms", of=min, at_most=25)
    new = Figure("the same with a new sandbox, ms", of=min)
    for number in range(_CPU_BATCHES):
        for server in servers if number % 2 else servers[::-1]:
            report(f"CPU of logins on {server.name}, {number + 1} of {_CPU_BATCHES}")
            again.add(server.name, measures.shell_cpu_ms(server, count))
            new.add(server.name, measures.visit_cpu_ms(server, count))
    return [again, new]


def _keystrokes(servers: tuple[Server, ...], report: Report) -> list[Figure]:
    output = Figure("keystroke beside full output, ms", digits=2, at_most=5)
    sessions = Figure(f"keystroke among {crowd.PEOPLE} at work, ms", digits=2, ratio_at_most=1)
    for server in servers:
        report(f"keystrokes on {server.name}")
        for seconds in keystrokes.beside_output(server):
            output.add(server.name, 1000 * seconds)
        for seconds in crowd.seconds_to_echoes(server.target):
            sessions.add(server.name, 1000 * seconds)
    return [output, sessions]


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
            size, seconds = measures.bulk_output(server.target, 100 * _MEGABYTE)
            complete.add(server.name, size / _MEGABYTE)
            rate.add(server.name, size / _MEGABYTE / seconds)
    return [complete, rate]


def _recorded_bulk(hermes: Honeypot, sshd: Server, report: Report) -> list[Figure]:
    received = Figure("1 GB by aes128-gcm, got MB", digits=3, of=min, at_least=1000)
    recorded = Figure("1 GB by aes128-gcm, recorded MB", digits=3, of=min, at_least=1000)
    rate = Figure("1 GB by aes128-gcm, MB/s", ratio_at_least=0.45)
    for number in range(_BULK_RUNS):
        for server in (hermes, sshd) if number % 2 else (sshd, hermes):
            report(f"1 GB of output of {server.name}, {number + 1} of {_BULK_RUNS}")
            server.settle()
            before = hermes.recorded_bytes()
            size, seconds = measures.bulk_output(server.target, 1000 * _MEGABYTE, _GCM)
            received.add(server.name, size / _MEGABYTE)
            rate.add(server.name, size / _MEGABYTE / seconds)
            if server is hermes:
                server.settle()
                recorded.add(server.name, (hermes.recorded_bytes() - before) / _MEGABYTE)
    return [received, recorded, rate]
