"""A disk that is full of evidence: nothing is damaged, and nobody new is let in."""

import asyncio
import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes.evidence import changes as changes_file
from tests.integration.running import Hermes, banner_of, wait_for

SMALL_DISK = "SMALL_DISK"
FULL = "evidence cannot be written"
DROP = (
    "i=0; while [ $i -lt 6 ]; do dd if=/dev/urandom of=/root/$i bs=512k count=1; i=$((i+1)); done"
)


@pytest.fixture
def disk() -> Iterator[Path]:
    """A directory on a file system of few megabytes, empty again afterwards."""
    if SMALL_DISK not in os.environ:
        pytest.skip(f"needs a small file system, named by {SMALL_DISK}: run scripts/test as root")
    directory = Path(os.environ[SMALL_DISK], "evidence")
    yield directory
    filler(directory).unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def hermes(make_hermes: Callable[..., Hermes], disk: Path) -> Iterator[Hermes]:
    """A service whose evidence goes there."""
    service = make_hermes(POOL__SIZE="1", POOL__LINGER_SECONDS="0", EVIDENCE__DIR=str(disk))
    service.evidence = disk
    service.start()
    yield service
    service.stop(signal.SIGTERM)


def filler(directory: Path) -> Path:
    """Name the file that takes all the room."""
    return directory.with_name("filler")


def fill(directory: Path) -> None:
    """Leave no room for a byte in a new page."""
    with filler(directory).open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        filler(directory).with_name("one-more").write_bytes(b"x")
    filler(directory).with_name("one-more").unlink()


def expect_whole_lines(session: Path) -> None:
    """Read every event and every piece of a recording."""
    for path in (*session.glob("*.jsonl"), *session.glob("*.cast")):
        data = path.read_bytes()
        assert data.endswith(b"\n")
        for line in data.splitlines():
            json.loads(line)


def expect_nothing_half(evidence: Path) -> None:
    """Artifacts are what their names say, and nothing waits for its name."""
    kept = [path for path in evidence.glob("artifacts/**/*") if path.is_file()]
    for path in kept:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert not list(evidence.glob("sessions/*/*/*/*/.*"))


def sessions(evidence: Path) -> list[Path]:
    """Find the directories of all sessions."""
    return list(evidence.glob("sessions/*/*/*/*"))


def kept(evidence: Path) -> list[Path]:
    """Find what harvests have kept."""
    return [*evidence.glob("sessions/*/*/*/*/changes.json"), *evidence.glob("artifacts/??/*")]


def is_served(hermes: Hermes) -> bool:
    """Whether a scanner gets a banner."""
    return banner_of(hermes.port).startswith(b"SSH-")


async def test_a_full_disk_stops_new_sessions_only(hermes: Hermes, disk: Path) -> None:
    """Who is in goes on, his recording ends at a whole line, and room makes all well again."""
    async with hermes.connect() as connection:
        shell = await connection.create_process(term_type="xterm")
        shell.stdin.write("echo be''fore\n")
        await shell.stdout.readuntil("before")
        await asyncio.sleep(0.2)
        (directory,) = sessions(disk)
        fill(disk)
        shell.stdin.write("seq 1 5000; echo st''ill\n")
        await shell.stdout.readuntil("still")
        await asyncio.to_thread(wait_for, lambda: FULL in hermes.log.read_text(), 10.0)
        assert not await asyncio.to_thread(is_served, hermes)
        expect_whole_lines(directory)
        filler(disk).unlink()
        await asyncio.to_thread(wait_for, lambda: is_served(hermes), 10.0)
        assert (await connection.run("echo on")).stdout == "on\n"
        async with hermes.connect(source="127.0.0.2") as other:
            assert (await other.run("echo in")).stdout == "in\n"
    expect_whole_lines(directory)
    played = hermes.cli("sessions", "play", directory.name, "--speed", "1000")
    assert "before" in played.stdout


async def test_a_harvest_that_does_not_fit_is_never_half(hermes: Hermes, disk: Path) -> None:
    """What fits is kept whole, the rest is named with the reason, and the sandbox is gone."""
    async with hermes.connect() as connection:
        await connection.run(DROP)
    wait_for(lambda: "harvested box" in hermes.log.read_text(), 20.0, hermes.log.read_text)
    (directory,) = sessions(disk)
    document = changes_file.read(directory)
    assert document is not None
    dropped = [c for c in document.changes if c.kind == "file" and c.path.startswith("/root/")]
    assert len(dropped) == 6
    assert {c.truncated for c in dropped if not c.artifact} == {os.strerror(errno.ENOSPC)}
    assert any(c.artifact for c in dropped)
    expect_nothing_half(disk)


async def test_a_harvest_without_any_room_leaves_nothing(hermes: Hermes, disk: Path) -> None:
    """Neither a document nor an artifact is there, it is logged, and the next one succeeds."""
    async with hermes.connect() as connection:
        await connection.run("echo loot >/root/loot")
        await asyncio.sleep(0.2)
        before = set(hermes.containers())
        fill(disk)
    wait_for(lambda: "could not be harvested" in hermes.log.read_text(), 20.0, hermes.log.read_text)
    expect_nothing_half(disk)
    assert kept(disk) == []
    filler(disk).unlink()
    wait_for(lambda: is_served(hermes), 10.0)
    async with hermes.connect() as connection:
        await connection.run("echo more >/root/more")
    wait_for(lambda: len(kept(disk)) == 2, 20.0, hermes.log.read_text)
    wait_for(lambda: not before & set(hermes.containers()), 10.0)
