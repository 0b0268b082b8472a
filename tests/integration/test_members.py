"""A pool that units of systemd keep warm, and that hermes takes its sandboxes from."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hermes.evidence import changes as changes_file
from tests.integration import supervised
from tests.integration.running import Hermes, wait_for
from tests.integration.supervised import NAMES, Units

pytestmark = pytest.mark.podman

Make = Callable[..., Hermes]


@pytest.fixture
def units(image: str, tmp_path: Path) -> Iterator[Units]:
    """Two members, and podman's API and a broker as services."""
    with supervised.running(tmp_path, image) as started:
        yield started


@pytest.fixture
def hermes(units: Units, make_hermes: Make) -> Iterator[Hermes]:
    """A service that has adopted both members."""
    service = make_hermes(**units.settings, POOL__LINGER_SECONDS="0")
    service.start()
    try:
        wait_for(lambda: service.pool()["warm"] == units.size, 20.0, service.log.read_text)
        yield service
    finally:
        service.stop()


def boxes(hermes: Hermes) -> list[dict[str, Any]]:
    """List the sandboxes that the service has."""
    found: list[dict[str, Any]] = hermes.pool()["sandboxes"]
    return found


def run(hermes: Hermes, command: str, source: str = "127.0.0.1") -> str:
    """Log in, run a command and return what it says."""

    async def visit() -> str:
        async with hermes.connect(source=source) as connection:
            return str((await connection.run(command)).stdout)

    return asyncio.run(visit())


def changed(hermes: Hermes, count: int = 1) -> set[str]:
    """Wait for a harvest, and name what it found."""

    def harvested() -> set[str]:
        paths = list(hermes.evidence.glob("sessions/*/*/*/*/changes.json"))
        found = [changes_file.read(path.parent) for path in paths]
        if len(found) < count:
            return set()
        return {change.path for one in found if one for change in one.changes}

    return wait_for(harvested, 30.0, hermes.log.read_text)


def test_a_visitor_has_a_member_and_systemd_brings_a_fresh_one(hermes: Hermes) -> None:
    """His files are harvested while it is there still, and the next visitor finds none."""
    before = {box["name"] for box in boxes(hermes)}
    assert all(box["supervised"] for box in boxes(hermes))
    assert run(hermes, "echo x >/root/left; echo y >/tmp/too; id -u") == "0\n"
    assert {"/root/left", "/tmp/too"} <= changed(hermes)  # noqa: S108
    wait_for(lambda: hermes.pool()["warm"] == 2, 20.0, hermes.log.read_text)
    assert len({box["name"] for box in boxes(hermes)} - before) == 1
    assert hermes.containers() == []
    assert run(hermes, "ls /root/left /tmp/too 2>/dev/null", "127.0.0.2") == ""


def test_a_killed_service_loses_nothing_of_an_open_stay(hermes: Hermes) -> None:
    """The sandbox is kept until the broker has taken what is in it, memory included."""

    async def visit() -> None:
        async with hermes.connect() as connection:
            await connection.run(
                "echo x >/root/left; echo y >/tmp/too; sleep 100 >/dev/null 2>&1 </dev/null &"
            )
            assert hermes.process is not None
            hermes.process.kill()
            with contextlib.suppress(OSError):
                await connection.wait_closed()

    asyncio.run(visit())
    assert hermes.process is not None
    hermes.process.wait()
    hermes.process = None
    assert {"/root/left", "/tmp/too"} <= changed(hermes)  # noqa: S108
    hermes.start()
    wait_for(lambda: hermes.pool()["warm"] == 2, 20.0, hermes.log.read_text)
    assert run(hermes, "ls /root/left 2>/dev/null") == ""


def test_more_visitors_than_members_have_sandboxes_of_our_own(hermes: Hermes) -> None:
    """And those end with their visits."""

    async def visit(number: int) -> str:
        async with hermes.connect(source=f"127.0.1.{number}") as connection:
            said = await connection.run("sleep 2; hostname")
            return str(said.stdout)

    async def crowd() -> list[str]:
        return await asyncio.gather(*(visit(number) for number in range(1, 6)))

    assert all(asyncio.run(crowd()))
    wait_for(lambda: len(boxes(hermes)) == 2, 30.0, hermes.log.read_text)
    assert all(box["supervised"] for box in boxes(hermes))


def test_a_member_that_dies_is_replaced(hermes: Hermes) -> None:
    """Whoever ended it."""
    before = {box["name"] for box in boxes(hermes)}
    subprocess.run(["podman", "kill", f"{NAMES}-0"], check=True, capture_output=True)
    wait_for(lambda: {box["name"] for box in boxes(hermes)} - before, 20.0, hermes.log.read_text)
    wait_for(lambda: hermes.pool()["warm"] == 2, 20.0, hermes.log.read_text)


def test_a_container_that_is_not_shut_in_is_refused(hermes: Hermes, image: str) -> None:
    """One sentence says what it lacks, and no visitor has it."""
    name = f"{NAMES}-open"
    subprocess.run(["podman", "kill", f"{NAMES}-0"], check=True, capture_output=True)
    label = "--label=hermes.supervisor=systemd"
    command = ["podman", "run", "-d", "-i", "--rm", "--network=none", "--name", name, label]
    subprocess.run([*command, image, "/sbin/init"], check=True, capture_output=True)
    try:
        wait_for(lambda: "a unit's sandbox is not shut in" in hermes.log.read_text(), 20.0)
    finally:
        subprocess.run(
            ["podman", "rm", "-f", "-i", "-t", "0", name], check=True, capture_output=True
        )


def test_a_whole_pool_is_looked_after_for_nothing(hermes: Hermes) -> None:
    """While no member is missing, under two hundredths of a core go into it."""
    assert hermes.process is not None
    process = psutil.Process(hermes.process.pid)
    before, seconds = sum(process.cpu_times()[:2]), 4.0
    time.sleep(seconds)
    assert sum(process.cpu_times()[:2]) - before < 0.02 * seconds


def test_the_end_of_the_service_ends_its_members_visits(hermes: Hermes) -> None:
    """SIGTERM harvests and lets go: their units start them again."""
    assert run(hermes, "echo x >/root/left") == ""
    assert hermes.stop(signal.SIGTERM) == -signal.SIGTERM
    assert "/root/left" in changed(hermes)
    assert hermes.containers() == []
