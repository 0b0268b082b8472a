"""Whose sandbox it is: a visitor's while he is there, and for a while after."""

import asyncio
import subprocess
import time
from typing import Any

import asyncssh
import psutil
import pytest

from tests.integration.running import Hermes, Start, wait_for

pytestmark = pytest.mark.podman


async def said(hermes: Hermes, command: str, source: str = "127.0.0.1", user: str = "root") -> str:
    """Run one command in a connection of its own."""
    async with hermes.connect(source=source, user=user) as connection:
        return str((await connection.run(command)).stdout)


def box_of(hermes: Hermes, visitor: str) -> dict[str, Any]:
    """Find the only sandbox of a visitor in the pool's status."""
    (box,) = [box for box in hermes.pool()["sandboxes"] if box["visitor"] == visitor]
    return dict(box)


async def test_a_visitor_who_returns_finds_what_he_left(start: Start) -> None:
    """What one connection uploads and starts, the next one runs and sees."""
    hermes = start(POOL__SIZE="1")
    async with hermes.connect() as connection:
        await connection.run("cat > /tmp/run.sh", input="echo ran\n")
        await connection.run("(sleep 60 > /dev/null 2>&1 &) ; adduser -D guest || true")
    wait_for(lambda: box_of(hermes, "127.0.0.1")["state"] == "lingering", 5.0)
    assert await said(hermes, "sh /tmp/run.sh; pidof sleep > /dev/null && echo there") == (
        "ran\nthere\n"
    )


async def test_two_connections_of_a_visitor_share_a_sandbox(start: Start) -> None:
    """The second one sees the files of the first one, even when both come at once."""
    hermes = start(POOL__SIZE="2")
    async with hermes.connect() as first, hermes.connect() as second:
        await asyncio.gather(first.run("true"), second.run("true"))
        await first.run("echo mine > /tmp/f")
        assert (await second.run("cat /tmp/f")).stdout == "mine\n"
        assert hermes.pool()["leased"] == 1
    await asyncio.sleep(0.2)
    assert box_of(hermes, "127.0.0.1")["state"] == "lingering"


async def test_visitors_never_share_a_sandbox(start: Start) -> None:
    """Another address gets another box, also right after the first one left."""
    hermes = start(POOL__SIZE="1")
    await said(hermes, "echo mine > /root/f")
    assert await said(hermes, "ls /root", source="127.0.0.2") == ""


async def test_a_sandbox_lingers_no_longer_than_it_should(start: Start) -> None:
    """After the linger time the box is gone, and he who comes back gets a fresh one."""
    hermes = start(POOL__SIZE="1", POOL__LINGER_SECONDS="4")
    await said(hermes, "echo mine > /root/f")
    old = box_of(hermes, "127.0.0.1")["name"]
    wait_for(lambda: old not in hermes.containers(), 10.0)
    assert await said(hermes, "ls /root") == ""


async def test_who_lingered_longest_makes_room(start: Start) -> None:
    """With every place taken, a new visitor gets that of the one who left first."""
    hermes = start(POOL__SIZE="1", POOL__MAX="2")
    await said(hermes, "echo mine > /root/f", source="127.0.0.2")
    await said(hermes, "echo mine > /root/f", source="127.0.0.3")
    wait_for(lambda: hermes.pool()["lingering"] == 2, 5.0)
    assert await said(hermes, "echo in", source="127.0.0.4") == "in\n"
    visitors = {box["visitor"] for box in hermes.pool()["sandboxes"]}
    assert visitors == {"127.0.0.3", "127.0.0.4"}
    assert await said(hermes, "ls /root", source="127.0.0.3") == "f\n"


async def test_any_user_who_is_let_in_has_an_account(start: Start) -> None:
    """The name that was never there has a home, a group and a line in passwd(5)."""
    hermes = start(POOL__SIZE="1", AUTH__ACCEPT_AFTER_FAILURES="1", AUTH__FAILURE_DELAY_SECONDS="0")
    with pytest.raises(asyncssh.PermissionDenied):
        await said(hermes, "id", user="postgres2")
    told = await said(
        hermes, "id -un; pwd; id -gn; grep -c ^postgres2: /etc/passwd", user="postgres2"
    )
    assert told == "postgres2\n/home/postgres2\npostgres2\n1\n"


@pytest.mark.parametrize("victim", ["init", "conmon"])
async def test_a_killed_sandbox_ends_the_session_as_a_lost_connection(
    start: Start, victim: str
) -> None:
    """Without its first process, or what supervises it, the client sees no polite goodbye."""
    hermes = start(POOL__SIZE="1")
    async with hermes.connect() as connection:
        shell = await connection.create_process(term_type="xterm")
        await shell.stdout.read(1)
        process = _process_of(box_of(hermes, "127.0.0.1")["name"], victim)
        kill = ["podman", "unshare", "kill", "-9", str(process)]
        await asyncio.to_thread(subprocess.run, kill, check=True)
        async with asyncio.timeout(5):
            await connection.wait_closed()
        assert (shell.exit_status, shell.exit_signal) == (None, None)
    (session,) = hermes.closed_sessions(1)
    assert session["reason"] == "sandbox lost"
    wait_for(lambda: hermes.pool()["warm"] == 1 and len(hermes.containers()) == 1, 15.0)
    assert await said(hermes, "echo back") == "back\n"


async def test_a_client_that_stops_reading_stalls_no_other_channel(start: Start) -> None:
    """While bulk output waits for one channel, another of the same box answers at once."""
    hermes = start(POOL__SIZE="1", POOL__LINGER_SECONDS="0")
    async with hermes.connect() as connection, hermes.connect() as other:
        bulk = await connection.create_process("cat /dev/zero", encoding=None, window=65536)
        await bulk.stdout.read(1)
        bulk.channel.pause_reading()
        await asyncio.sleep(1)
        waits = []
        for _ in range(5):
            began = time.monotonic()
            assert (await other.run("echo here")).stdout == "here\n"
            waits.append(time.monotonic() - began)
        assert min(waits) < 0.1
    began = time.monotonic()
    wait_for(lambda: len(hermes.containers()) == 1, 5.0)
    assert time.monotonic() - began < 2


async def test_sessions_go_on_while_podmans_service_is_dead(start: Start) -> None:
    """Open shells keep working, a warm box is still leased, and the pool is whole again soon."""
    hermes = start(POOL__SIZE="1")
    async with hermes.connect() as connection:
        assert (await connection.run("echo before")).stdout == "before\n"
        wait_for(lambda: hermes.pool()["warm"] == 1, 10.0)
        service = hermes.api_service()
        assert service is not None
        service.kill()
        assert (await connection.run("echo during")).stdout == "during\n"
        assert await said(hermes, "echo new", source="127.0.0.2") == "new\n"
        wait_for(lambda: hermes.api_service() not in (None, service), 10.0)
        wait_for(lambda: hermes.pool()["warm"] == 1, 5.0)
        assert (await connection.run("echo after")).stdout == "after\n"


def _process_of(container: str, which: str) -> int:
    """Find a container's first process, or its supervisor, among this user's processes."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "conmon" and container in (process.info["cmdline"] or ()):
            children = process.children()
            return int(children[0].pid if which == "init" else process.pid)
    raise AssertionError(f"no conmon of {container}")


@pytest.mark.parametrize(
    "fill",
    [
        "for i in 1 2 3 4 5 6 7 8 9; do head -c 9000000 /dev/zero > /root/$i; done",
        (
            'for i in 3 4 5 6 7 8 9; do eval "exec $i>/root/f"; rm /root/f; '
            'eval "head -c 9000000 /dev/zero >&$i"; done'
        ),
    ],
    ids=["named", "deleted and open"],
)
async def test_who_fills_the_disk_ends_his_stay(start: Start, fill: str) -> None:
    """More than SANDBOX__DISK, in files that are each small enough, is the end; nobody else's."""
    hermes = start(POOL__SIZE="2", SANDBOX__DISK="20m")
    async with hermes.connect() as connection, hermes.connect(source="127.0.0.2") as other:
        await other.run("true")
        filling = await connection.create_process(f"{fill}; sleep 30")
        async with asyncio.timeout(15):
            await connection.wait_closed()
        assert filling.exit_status is None
        assert (await other.run("echo here")).stdout == "here\n"


async def test_commands_too_large_for_a_guest_use_nothing_up(start: Start) -> None:
    """Each is refused, and the visitor's next command runs."""
    hermes = start(POOL__SIZE="1")
    async with hermes.connect() as connection:
        for _ in range(130):
            await connection.run("true " + "x" * 200_000)
        assert (await connection.run("echo here")).stdout == "here\n"
