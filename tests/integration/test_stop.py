"""How the service ends: told to, or killed."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from tests.integration.running import Hermes, Start, wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_and_is_told_by_the_status(start: Start, number: int) -> None:
    """After SIGTERM or SIGINT no container is left, and the exit status names the signal."""
    hermes = start(POOL__SIZE="2")
    wait_for(lambda: len(hermes.containers()) == 2, 15.0)
    assert hermes.stop(number) == -number
    assert hermes.containers() == []
    assert hermes.cli("pool", "status", check=False).returncode == 1


async def test_stopping_cuts_sessions_and_closes_their_records(start: Start) -> None:
    """Open sessions get some seconds, new ones none, and every record is whole."""
    hermes = start(LIMITS__DRAIN_SECONDS="1")
    async with hermes.connect() as connection:
        shell = await connection.create_process(term_type="xterm")
        await shell.stdout.read(1)
        assert hermes.process is not None
        hermes.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset
            await hermes.connect().__aenter__()
        async with asyncio.timeout(10):
            await connection.wait_closed()
    hermes.stop()
    (session,) = hermes.sessions()
    assert session["reason"] == "service stopped"
    assert session["channels"][0]["seconds"] is not None
    assert hermes.containers() == []


async def test_a_session_that_ends_while_draining_ends_well(start: Start) -> None:
    """A command that is done within the grace time is not cut."""
    hermes = start(LIMITS__DRAIN_SECONDS="10")
    async with hermes.connect() as connection:
        process = await connection.create_process("sleep 1.5; echo done; exit 6")
        await asyncio.sleep(0.5)
        assert hermes.process is not None
        hermes.process.send_signal(signal.SIGTERM)
        result = await process.wait()
    assert (result.stdout, result.exit_status) == ("done\n", 6)
    assert hermes.stop() == -signal.SIGTERM
    (session,) = hermes.sessions()
    assert session["reason"] == "closed by client"


async def test_after_a_kill_the_next_start_sweeps(make_hermes: Callable[..., Hermes]) -> None:
    """Kill -9 leaves readable evidence, and the next start removes what was left running."""
    hermes = make_hermes(POOL__SIZE="1")
    hermes.start()
    async with hermes.connect() as connection:
        await connection.run("echo before")
        await asyncio.sleep(0.2)  # what was done a moment ago is still in memory
        hermes.stop(signal.SIGKILL)
        await connection.wait_closed()
    left = hermes.containers()
    assert left != []
    shown = hermes.cli("sessions", "list").stdout
    assert "echo before" in shown
    hermes.start()
    try:
        assert not set(left) & set(hermes.containers())
    finally:
        hermes.stop()
    assert hermes.containers() == []


def test_a_killed_service_takes_its_podman_along(start: Start) -> None:
    """Podman's API service does not outlive a Hermes that was killed."""
    hermes = start(POOL__SIZE="1")
    service = hermes.api_service()
    assert service is not None
    hermes.stop(signal.SIGKILL)
    wait_for(lambda: not service.is_running(), 10.0)
    wait_for(lambda: hermes.containers() == [], 30.0)


def test_two_services_cannot_share_a_directory(start: Start) -> None:
    """A second start says who is in the way, and disturbs nobody."""
    hermes = start(POOL__SIZE="1")
    second = hermes.cli("up", check=False)
    assert second.returncode == 1
    assert "another hermes uses" in second.stderr
    assert hermes.pool()["warm"] == 1


def test_a_start_can_be_interrupted(make_hermes: Callable[..., Hermes]) -> None:
    """SIGTERM while podman is still being waited for ends the start, and leaves nothing."""
    hermes = make_hermes(POOL__SIZE="3")
    hermes.launch()
    wait_for(lambda: hermes.api_service() is not None, 20.0)
    assert hermes.stop() == -signal.SIGTERM
    assert "listening" not in hermes.log.read_text()
    assert hermes.containers() == []
