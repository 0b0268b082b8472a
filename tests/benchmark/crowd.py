"""A hundred people at work: each types a command, waits for it to appear, and for its answer."""

import asyncio
import re
from time import perf_counter
from typing import Final

import asyncssh

from tests.benchmark.client import BenchmarkError, Target
from tests.benchmark.measures import new_source

PEOPLE: Final = 100
_SECONDS: Final = 10.0
_THINK_SECONDS: Final = 0.2
_ANSWER_SECONDS: Final = 30.0
_LOGINS_AT_ONCE: Final = 8
_STEPS: Final = 16
# The answer begins a line, where bash may first end bracketed paste; then comes a prompt.
_ANSWER: Final = rb"\n(?:\x1b\[\?2004l\r)?%s[\s\S]*[#$] $"

Process = asyncssh.SSHClientProcess[bytes]


def seconds_to_echoes(target: Target) -> list[float]:
    """Measure the first character of every command that anybody types within ten seconds."""
    return asyncio.run(_work(target))


async def _work(target: Target) -> list[float]:
    turn = asyncio.Semaphore(_LOGINS_AT_ONCE)
    echoes: list[float] = []
    people = await asyncio.gather(*(_arrive(target, turn) for _number in range(PEOPLE)))
    try:
        end = perf_counter() + _SECONDS
        await asyncio.gather(
            *(_type(process, number, end, echoes) for number, (_, process) in enumerate(people))
        )
    finally:
        for connection, _process in people:
            connection.abort()
    return echoes


async def _arrive(
    target: Target, turn: asyncio.Semaphore
) -> tuple[asyncssh.SSHClientConnection, Process]:
    async with turn:
        connection = await asyncssh.connect(
            "127.0.0.1",
            target.port,
            username=target.user,
            password=target.password,
            local_addr=(new_source(), 0),
            known_hosts=None,
            client_keys=None,
            agent_path=None,
            config=None,
            encryption_algs=["aes128-ctr"],
        )
        process = await connection.create_process(term_type="xterm", encoding=None)
        await _until(process, rb"[#$] $")
        return connection, process


async def _type(process: Process, person: int, end: float, echoes: list[float]) -> None:
    await asyncio.sleep(_THINK_SECONDS * (person % _STEPS) / _STEPS)
    count = 0
    while perf_counter() < end:
        count += 1
        word = b"hello-%d-%d." % (person, count)
        begun = perf_counter()
        process.stdin.write(b"e")
        await _until(process, b"e")
        echoes.append(perf_counter() - begun)
        process.stdin.write(b"cho " + word + b"\r")
        await _until(process, _ANSWER % re.escape(word))
        await asyncio.sleep(_THINK_SECONDS)


async def _until(process: Process, pattern: bytes) -> None:
    seen = b""
    async with asyncio.timeout(_ANSWER_SECONDS):
        while not re.search(pattern, seen):
            data = await process.stdout.read(65536)
            if not data:
                raise BenchmarkError(f"a shell ended with {seen[-80:]!r}")
            seen += data
