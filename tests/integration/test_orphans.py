"""Whatever is killed, and whenever: nothing stays behind but the evidence."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncssh
import psutil
import pytest

from hermes.evidence import changes as changes_file
from hermes.evidence.changes import Changes
from tests.integration.remains import Machine
from tests.integration.running import Hermes, wait_for

GONE_SECONDS = 30.0
VICTIMS = ["service", "engine", "supervisor", "broker"]
BROKER = "hermes.sandbox.broker"
MANY = 40
FILL = (
    f"mkdir /root/many; cd /root/many; i=0; while [ $i -lt {MANY} ]; "
    "do echo $i >$i; i=$((i+1)); done; echo ma''de\n"
)
Make = Callable[..., Hermes]


@pytest.fixture
def machine(image: str) -> Machine:
    """How the machine is before the test's service starts."""
    del image  # importing it starts podman's own process, which stays
    return Machine()


@pytest.fixture
def make(make_hermes: Make) -> Iterator[Make]:
    """Prepare services of which a test that fails leaves none."""
    made: list[Hermes] = []

    def _make(**settings: str) -> Hermes:
        made.append(make_hermes(**settings))
        return made[-1]

    yield _make
    for hermes in made:
        finish(hermes)


def living(machine: Machine, victim: str) -> list[psutil.Process]:
    """Find what the victim's name stands for, once it is there."""
    match victim:
        case "engine":
            return machine.named("podman", "system service")
        case "supervisor":
            return machine.named("conmon")
        case "broker":
            return machine.named("python", BROKER)
    return []


def kill(hermes: Hermes, victim: str, processes: list[psutil.Process]) -> None:
    """Kill -9 the service, or the processes that the victim's name stands for."""
    if victim == "service":
        hermes.stop(signal.SIGKILL)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def finish(hermes: Hermes) -> None:
    """End a service as an operator does, if it is still there."""
    if hermes.process is not None and hermes.process.poll() is None:
        hermes.stop()


def expect_nothing(hermes: Hermes, machine: Machine) -> None:
    """Wait until nothing is left."""
    wait_for(
        lambda: not machine.remains(hermes), GONE_SECONDS, lambda: str(machine.remains(hermes))
    )


def changes_of(hermes: Hermes, session: str) -> Changes | None:
    """Read what a session's visitor left; a damaged document fails the test."""
    return changes_file.read(hermes.directory_of(session))


def has_left(hermes: Hermes, session: str, path: str, text: str) -> bool:
    """Whether a file is among the changes, and its bytes are an artifact."""
    document = changes_of(hermes, session)
    found = [c for c in document.changes if c.path == path] if document else []
    if not found or found[0].sha256 is None:
        return False
    kept = hermes.evidence / "artifacts" / found[0].sha256[:2] / found[0].sha256
    return kept.read_text() == text


def expect_left(hermes: Hermes, session: str, path: str, text: str) -> None:
    """Wait until a file is known to have been left."""
    wait_for(lambda: has_left(hermes, session, path, text), 15.0, hermes.log.read_text)


def only_session(hermes: Hermes) -> str:
    """Name the one session that there is."""
    (directory,) = hermes.evidence.glob("sessions/*/*/*/*")
    return directory.name


@contextlib.asynccontextmanager
async def visit(hermes: Hermes) -> AsyncIterator[asyncssh.SSHClientProcess[Any]]:
    """A visitor at a terminal who has left a file and seen a word; his end is not his own."""
    connection = await hermes.connect().__aenter__()
    try:
        shell = await connection.create_process(term_type="xterm")
        shell.stdin.write("echo loot >/root/loot; echo se''en\n")
        async with asyncio.timeout(10):
            await shell.stdout.readuntil("seen")
        await asyncio.sleep(0.2)  # what was said a moment ago is still in memory
        yield shell
    finally:
        connection.abort()
        await connection.wait_closed()


def expect_replay(hermes: Hermes) -> None:
    """What was recorded before a kill can be played."""
    session = only_session(hermes)
    (cast,) = hermes.directory_of(session).glob("channel-*.cast")
    for line in cast.read_text().splitlines():
        json.loads(line)
    played = hermes.cli("sessions", "play", session, "--speed", "1000")
    assert "seen" in played.stdout


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_during_the_start(make: Make, machine: Machine, victim: str) -> None:
    """A start in which something is killed ends or succeeds, and nothing stays behind."""
    hermes = make(POOL__SIZE="2")
    hermes.launch()
    awaited = "supervisor" if victim == "service" else victim
    deadline = time.monotonic() + 20
    while not living(machine, awaited):
        assert time.monotonic() < deadline
    kill(hermes, victim, living(machine, victim))
    if victim != "service":
        process = hermes.process
        assert process is not None
        wait_for(
            lambda: process.poll() is not None or "listening on" in hermes.log.read_text(), 30.0
        )
        finish(hermes)
    expect_nothing(hermes, machine)


@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_kill_during_a_lease(make: Make, machine: Machine, victim: str) -> None:
    """What the visitor did and left until then is kept, whatever was killed."""
    hermes = make(POOL__SIZE="1", POOL__LINGER_SECONDS="0")
    hermes.start()
    async with visit(hermes):
        kill(hermes, victim, living(machine, victim))
        await asyncio.sleep(0.2)
    session = only_session(hermes)
    expect_left(hermes, session, "/root/loot", "loot\n")
    finish(hermes)
    expect_nothing(hermes, machine)
    expect_replay(hermes)


@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_kill_during_a_harvest(make: Make, machine: Machine, victim: str) -> None:
    """A harvest that is cut short is brought to its end, whoever is left to do it."""
    hermes = make(POOL__SIZE="1", POOL__LINGER_SECONDS="0")
    hermes.start()
    async with visit(hermes) as shell:
        shell.stdin.write(FILL)
        async with asyncio.timeout(20):
            await shell.stdout.readuntil("made")
        processes = living(machine, victim)
    session = only_session(hermes)
    half = hermes.directory_of(session) / ".changes.json.new"
    deadline = time.monotonic() + 10
    while not half.exists():
        assert time.monotonic() < deadline
    kill(hermes, victim, processes)
    finish(hermes)
    expect_nothing(hermes, machine)
    assert not half.exists()
    document = changes_of(hermes, session)
    assert document is not None
    paths = [c.path for c in document.changes if c.path.startswith("/root/many/")]
    assert len(paths) == len(set(paths)) == MANY


@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_kill_during_the_drain(make: Make, machine: Machine, victim: str) -> None:
    """A service that is already stopping leaves nothing either."""
    hermes = make(POOL__SIZE="2", LIMITS__DRAIN_SECONDS="2")
    hermes.start()
    async with visit(hermes):
        process = hermes.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        kill(hermes, victim, living(machine, victim))
        if victim != "service":
            await asyncio.to_thread(process.wait, 30)
    hermes.process = None
    session = only_session(hermes)
    expect_nothing(hermes, machine)
    assert has_left(hermes, session, "/root/loot", "loot\n")
    expect_replay(hermes)


async def test_a_service_and_its_broker_are_killed(make: Make, machine: Machine) -> None:
    """The next start keeps what the visitor left and removes the rest."""
    hermes = make(POOL__SIZE="2")
    hermes.start()
    async with visit(hermes):
        (broker,) = living(machine, "broker")
        broker.suspend()
        hermes.stop(signal.SIGKILL)
        broker.kill()
    left = set(hermes.containers())
    assert left
    session = only_session(hermes)
    hermes.start()
    try:
        assert not left & set(hermes.containers())
        assert has_left(hermes, session, "/root/loot", "loot\n")
    finally:
        hermes.stop()
    expect_nothing(hermes, machine)
    expect_replay(hermes)


async def test_sessions_outlive_the_broker(make: Make, machine: Machine) -> None:
    """Without it a session goes on, new visitors get sandboxes, and harvests happen."""
    hermes = make(POOL__SIZE="1", POOL__LINGER_SECONDS="0")
    hermes.start()
    async with hermes.connect() as first:
        await first.run("true")
        kill(hermes, "broker", living(machine, "broker"))
        assert (await first.run("echo on")).stdout == "on\n"
        for number in range(2, 4):
            async with hermes.connect(source=f"127.0.0.{number}") as other:
                await other.run("echo left >/root/left")
    sessions = [str(session["session"]) for session in hermes.closed_sessions(3)]
    for session in sessions[1:]:
        expect_left(hermes, session, "/root/left", "left\n")
    hermes.stop()
    expect_nothing(hermes, machine)
