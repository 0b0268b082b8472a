"""A visitor who makes too much of something harms nobody but himself."""

import asyncio
import time

import asyncssh
import psutil
import pytest

from hermes.evidence import changes as changes_file
from tests.integration.running import Hermes, Start, wait_for

MUCH = 200_000
FLOOD = "while :; do cat /dev/zero; done"
FILES = (
    f"mkdir /root/many; cd /root/many; i=0; while [ $i -lt {MUCH} ]; "
    "do : >$i; i=$((i+1)); done; echo made"
)
MOST_BYTES = 4 << 20
MOST_GROWTH = 128 << 20
FLOOD_SECONDS = 3.0


@pytest.fixture
def hermes(start: Start) -> Hermes:
    """A service whose sessions may record little and whose sandboxes do not linger."""
    return start(POOL__LINGER_SECONDS="0", EVIDENCE__SESSION_MAX_BYTES=str(MOST_BYTES))


def resident(hermes: Hermes) -> int:
    """Measure the service's memory."""
    assert hermes.process is not None
    return int(psutil.Process(hermes.process.pid).memory_info().rss)


async def swallowed(output: asyncssh.SSHReader[bytes], seconds: float) -> int:
    """Take what comes for a while, and count it."""
    count, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        count += len(await output.read(1 << 16))
    return count


async def slowest_answer(hermes: Hermes, seconds: float) -> float:
    """Log in as somebody else again and again; return how long the slowest visit took."""
    slowest, deadline = 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.monotonic()
        async with hermes.connect(source="127.0.0.9") as other:
            assert (await other.run("echo alive")).stdout == "alive\n"
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def recorded(hermes: Hermes) -> int:
    """Measure the largest session."""
    sessions = hermes.evidence.glob("sessions/*/*/*/*")
    return max(sum(file.stat().st_size for file in one.iterdir()) for one in sessions)


async def test_who_prints_without_end_is_bounded(hermes: Hermes) -> None:
    """Neither memory nor evidence grows with it, whether he reads it or not; others are served."""
    before = resident(hermes)
    async with (
        hermes.connect(source="127.0.0.2") as reader,
        hermes.connect(source="127.0.0.3") as idler,
    ):
        read = await reader.create_process(FLOOD, encoding=None)
        await idler.create_process(FLOOD, encoding=None)
        async with asyncio.TaskGroup() as tasks:
            took = tasks.create_task(swallowed(read.stdout, FLOOD_SECONDS))
            slowest = tasks.create_task(slowest_answer(hermes, FLOOD_SECONDS))
        grown = resident(hermes) - before
    assert took.result() > 2 * MOST_BYTES
    assert slowest.result() < 5.0
    assert grown < MOST_GROWTH
    assert recorded(hermes) < 2 * MOST_BYTES


async def test_files_without_number_are_bounded(hermes: Hermes) -> None:
    """Of 200,000 files a bounded part is in the document, and it says that there were more."""
    async with hermes.connect(source="127.0.0.2") as flooder:
        async with asyncio.timeout(60):
            assert (await flooder.run(FILES)).stdout == "made\n"
        (session,) = hermes.evidence.glob("sessions/*/*/*/*")
        flooded = [row["name"] for row in hermes.pool()["sandboxes"] if row["state"] == "leased"]
    assert await slowest_answer(hermes, 1.0) < 5.0
    wait_for(lambda: changes_file.read(session) is not None, 60.0, hermes.log.read_text)
    document = changes_file.read(session)
    assert document is not None
    assert not document.complete
    assert document.left_out["entries"] > 0
    assert len(document.changes) <= 20_000
    wait_for(lambda: not set(flooded) & set(hermes.containers()), 30.0)


async def test_a_client_that_grants_all_and_reads_nothing_takes_no_memory(
    hermes: Hermes,
) -> None:
    """What his window would let through waits inside, and his session ends as ever."""
    async with hermes.connect() as connection:
        await connection.run("true")
        before = resident(hermes)
        process = await connection.create_process(FLOOD, window=1 << 30, encoding=None)
        await process.stdout.read(1)
        transport = connection._transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await asyncio.sleep(FLOOD_SECONDS)
        assert resident(hermes) - before < MOST_GROWTH // 2
        transport.resume_reading()
        assert await swallowed(process.stdout, 0.5) > 0
        connection.abort()
    assert len(hermes.closed_sessions(1)) == 1
