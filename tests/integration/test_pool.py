"""The pool, as visitors and the operator see it."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable

import asyncssh
import pytest

from tests.integration.running import Hermes, Start, banner_of, stopped, wait_for


def warm(hermes: Hermes) -> int:
    """Count the warm sandboxes."""
    return int(hermes.pool()["warm"])


async def test_a_burst_is_served_and_the_pool_returns_to_its_target(start: Start) -> None:
    """Ten at once on a pool of three all get a box, and afterwards there are three again."""
    hermes = start(POOL__SIZE="3", POOL__MAX="13", POOL__LINGER_SECONDS="0")

    async def visit(number: int) -> str:
        async with hermes.connect(source=f"127.0.1.{number + 1}") as connection:
            return str((await connection.run(f"echo {number}; hostname; sleep 1")).stdout)

    async with asyncio.TaskGroup() as tasks:
        visits = [tasks.create_task(visit(number)) for number in range(10)]
    assert [visit.result() for visit in visits] == [f"{n}\narchive-02\n" for n in range(10)]
    wait_for(lambda: len(hermes.pool()["sandboxes"]) == 3, 30.0)
    settled = hermes.pool()
    assert (settled["warm"], settled["leased"], settled["starting"]) == (3, 0, 0)
    assert len(hermes.containers()) == 3


async def test_a_lease_is_seen_and_ends_with_the_session(start: Start) -> None:
    """The status names session and visitor; without lingering, leaving deletes the box."""
    hermes = start(POOL__SIZE="1", POOL__LINGER_SECONDS="0")
    async with hermes.connect() as connection:
        await connection.run("true")
        pool = hermes.pool()
        (leased,) = [box for box in pool["sandboxes"] if box["state"] == "leased"]
        assert (pool["leased"], leased["visitor"]) == (1, "127.0.0.1")
    (session,) = hermes.closed_sessions(1)
    assert session["session"] == leased["session"]
    assert session["sandbox"] == leased["name"]
    wait_for(lambda: leased["name"] not in hermes.containers(), 15.0)
    wait_for(lambda: warm(hermes) == 1, 15.0)


async def test_the_pool_is_refilled_while_its_box_is_leased(start: Start) -> None:
    """The next visitor finds a warm box although the first one has not left."""
    hermes = start(POOL__SIZE="1")
    async with hermes.connect() as connection:
        await connection.run("true")
        wait_for(lambda: warm(hermes) == 1, 15.0)
        assert hermes.pool()["leased"] == 1


async def test_a_full_pool_looks_like_a_busy_server(start: Start) -> None:
    """Without a box in time the channel is refused with sshd's words, and the record says why."""
    hermes = start(POOL__SIZE="1", POOL__MAX="1", POOL__SPAWN_TIMEOUT_SECONDS="2")
    async with hermes.connect() as first, hermes.connect(source="127.0.0.2") as second:
        await first.run("true")
        with pytest.raises(asyncssh.ChannelOpenError, match=r"^open failed$"):
            await second.run("true")
    sessions = hermes.closed_sessions(2)
    assert ["session: no sandbox came free in time"] in [s["refusals"] for s in sessions]


async def test_who_waits_gets_the_box_that_comes_free(start: Start) -> None:
    """A visitor who finds all boxes leased is served when another one leaves."""
    hermes = start(POOL__SIZE="1", POOL__MAX="1", POOL__LINGER_SECONDS="0")
    async with hermes.connect(source="127.0.0.2") as second:
        async with hermes.connect() as first:
            await first.run("true")
            waiting = asyncio.ensure_future(second.run("echo mine"))  # noqa: TID251
            await asyncio.sleep(0.5)
            assert not waiting.done()
        assert (await waiting).stdout == "mine\n"


def kill_the_box(hermes: Hermes) -> str:
    """Kill the only sandbox behind Hermes' back, and return its name."""
    (victim,) = hermes.containers()
    subprocess.run(["podman", "kill", victim], check=True, capture_output=True)
    return victim


def test_a_dead_warm_box_is_replaced(start: Start) -> None:
    """A sandbox killed from outside is noticed, and the pool is whole again."""
    hermes = start(POOL__SIZE="1")
    victim = kill_the_box(hermes)
    wait_for(lambda: hermes.containers() not in ([], [victim]), 30.0)
    wait_for(lambda: warm(hermes) == 1, 15.0)


async def test_a_dead_warm_box_is_never_leased(start: Start) -> None:
    """A visitor who comes right after the death of a box gets a living one."""
    hermes = start(POOL__SIZE="1")
    kill_the_box(hermes)
    async with hermes.connect() as connection:
        assert (await connection.run("echo alive")).stdout == "alive\n"


async def test_a_killed_api_service_comes_back(start: Start) -> None:
    """A lease that is asked for while podman's service is dead waits for its return."""
    hermes = start(POOL__SIZE="1")
    before = hermes.api_service()
    assert before is not None
    before.kill()
    async with hermes.connect() as connection:
        assert (await connection.run("echo back")).stdout == "back\n"


def test_a_stuck_podman_stalls_no_attacker(start: Start) -> None:
    """While podman's service stands still, a scanner gets the banner at once."""
    hermes = start(POOL__SIZE="1")
    service = hermes.api_service()
    assert service is not None
    with stopped(service):
        waits = []
        for _ in range(20):
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", hermes.port), timeout=5) as scanner:
                assert scanner.recv(255).startswith(b"SSH-2.0-")
            waits.append(time.monotonic() - began)
            time.sleep(0.3)
    assert max(waits) < 0.3


async def test_a_new_image_is_followed_without_a_restart(
    start: Start, import_image: Callable[[str, dict[str, str]], str]
) -> None:
    """When the image's name is given to another one, banner, host name and accounts follow."""
    name = import_image("localhost/hermes-test:followed", {"etc/hostname": "before\n"})
    hermes = start(POOL__SIZE="1", SANDBOX__IMAGE=name)
    old = hermes.containers()
    package = "Package: openssh-server\nVersion: 1:8.4p1-5+deb11u3\n"
    accounts = "root:x:0:0:root:/tmp:/bin/sh\n"
    files = {"etc/hostname": "after\n", "etc/passwd": accounts, "var/lib/dpkg/status": package}
    import_image(name, files)
    wait_for(lambda: b"OpenSSH_8.4p1 Debian-5+deb11u3" in banner_of(hermes.port), 20.0)
    wait_for(lambda: warm(hermes) == 1 and not set(old) & set(hermes.containers()), 20.0)
    async with hermes.connect() as connection:
        assert (await connection.run("hostname; pwd")).stdout == "after\n/tmp\n"
