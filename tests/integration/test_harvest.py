import asyncio
import contextlib
import dataclasses
import json
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hermes.errors import PodmanError
from hermes.evidence import changes as changes_file
from hermes.evidence.artifacts import Artifacts
from hermes.evidence.changes import Changes
from hermes.sandbox import harvest_api, namespace
from hermes.sandbox.collection import Caps, Order, Stay
from hermes.sandbox.engine import Engine
from hermes.sandbox.namespace import Namespace

pytestmark = pytest.mark.podman

FIRST_ID = 10_000
MAPPINGS = {"default": (), "fixed": (f"--uidmap=0:{FIRST_ID}:2000", f"--gidmap=0:{FIRST_ID}:2000")}
DEEDS = """
echo secret > /root/x.sh; chmod 755 /root/x.sh; chown 1000:1000 /root/x.sh
ln -s /etc/shadow /root/link; mkfifo /root/pipe
rm /etc/group
rm -r /home; mkdir /home; echo bare > /home/new
"""


def podman(*arguments: str) -> str:
    """Run podman and return what it prints."""
    done = subprocess.run(
        ["podman", *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


@contextlib.contextmanager
def ended(image: str, deeds: str, *options: str) -> Iterator[tuple[str, Path]]:
    """A container that has done its deeds; yields its name and its upper directory."""
    name = f"hermes-test-{uuid.uuid4().hex[:12]}"
    try:
        podman("run", "--network=none", f"--name={name}", *options, image, "sh", "-c", deeds)
        document = json.loads(podman("inspect", name))
        yield name, Path(document[0]["GraphDriver"]["Data"]["UpperDir"])
    finally:
        podman("rm", "--force", "--time=0", name)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Namespace]:
    """Start a broker."""
    async with namespace.running(tmp_path / "notes", "harvest") as started:
        yield started


def order(upper: Path, directory: Path, first_id: int = 0) -> Order:
    """Order a harvest into a directory."""
    stay = Stay("box-1", "2100-01-02T03:04:05Z", "2100-01-02T03:05:05Z", ("0123456789ab",))
    return Order(
        upper, directory / "artifacts", directory / "changes.json", stay, first_id=first_id
    )


def read(directory: Path) -> Changes:
    """Read the document that was written."""
    found = changes_file.read(directory)
    assert found is not None
    return found


@pytest.mark.parametrize("mapping", MAPPINGS)
async def test_what_a_container_did_is_harvested(
    image: str, broker: Namespace, tmp_path: Path, mapping: str
) -> None:
    """Files with their owners inside, links, FIFOs, deletions and replaced directories."""
    first_id = FIRST_ID if mapping == "fixed" else 0
    with ended(image, DEEDS, *MAPPINGS[mapping]) as (_, upper):
        summary = await broker.harvest(order(upper, tmp_path, first_id))
    found = {change.path: change for change in read(tmp_path).changes}
    script = found["/root/x.sh"]
    assert (script.mode, script.uid, script.gid, script.size) == ("0755", 1000, 1000, 7)
    assert (found["/root/link"].target, found["/root/link"].uid) == ("/etc/shadow", 0)
    assert found["/root/pipe"].kind == "fifo"
    assert found["/etc/group"].kind == "deleted"
    assert found["/home"].opaque
    assert not found["/root"].opaque
    assert script.sha256 is not None
    assert Artifacts(tmp_path / "artifacts").path(script.sha256).read_bytes() == b"secret\n"
    assert (summary.files, summary.bytes, summary.artifacts) == (2, 12, 2)
    assert summary.complete


@pytest.mark.parametrize("mapping", MAPPINGS)
async def test_a_container_that_did_nothing_has_no_changes(
    image: str, broker: Namespace, tmp_path: Path, mapping: str
) -> None:
    """What podman and the kernel put into a container is noise, but for directories."""
    with ended(image, "true", *MAPPINGS[mapping]) as (_, upper):
        await broker.harvest(order(upper, tmp_path))
    assert {c.path for c in read(tmp_path).changes if c.kind != "directory"} == set()


async def test_the_use_of_a_disk_is_measured(image: str, broker: Namespace) -> None:
    """A watcher learns how much a container has written."""
    fill = "dd if=/dev/zero of=/root/fill bs=1M count=20 2>/dev/null"
    with ended(image, fill) as (_, upper):
        measured = await broker.usage(upper)
    assert 20 << 20 <= measured.bytes < 21 << 20
    assert measured.complete


async def test_a_container_that_is_gone_is_an_error(broker: Namespace, tmp_path: Path) -> None:
    """The error is podman's, and the broker lives on."""
    for _ in range(2):
        with pytest.raises(PodmanError, match="No such file"):
            await broker.harvest(order(tmp_path / "gone", tmp_path))


@contextlib.asynccontextmanager
async def asked(directory: Path) -> AsyncIterator[Engine]:
    """An engine on a podman service of its own."""
    socket = directory / "podman.sock"
    command = ("podman", "system", "service", "--time=0", f"unix://{socket}")
    service = await asyncio.create_subprocess_exec(*command)
    engine = Engine(socket)
    try:
        async with asyncio.timeout(20):
            while not socket.exists():
                await asyncio.sleep(0.05)
        yield engine
    finally:
        await engine.close()
        service.terminate()
        await service.wait()


@pytest.mark.parametrize("mapping", MAPPINGS)
async def test_without_a_broker_podman_is_asked(image: str, tmp_path: Path, mapping: str) -> None:
    """The same document, but for what podman does not tell."""
    deeds = f"{DEEDS}dd if=/dev/zero of=/root/large bs=1M count=3 2>/dev/null"
    with ended(image, deeds, *MAPPINGS[mapping]) as (name, upper):
        asking = order(upper, tmp_path)
        asking = dataclasses.replace(asking, caps=Caps(file_bytes=2 << 20))
        async with asked(tmp_path) as engine:
            summary = await harvest_api.harvest(engine, name, asking)
    found = {change.path: change for change in read(tmp_path).changes}
    script = found["/root/x.sh"]
    assert (script.kind, script.mode, script.size, script.uid) == ("file", "0755", 7, None)
    assert (found["/root/link"].kind, found["/root/link"].target) == ("link", "/etc/shadow")
    assert found["/root/pipe"].kind == "fifo"
    assert found["/etc/group"].kind == "deleted"
    assert found["/root/large"].truncated == "file_bytes"
    assert script.sha256 is not None
    assert Artifacts(tmp_path / "artifacts").path(script.sha256).read_bytes() == b"secret\n"
    assert (summary.files, summary.artifacts, summary.complete) == (3, 2, False)


async def test_podman_is_asked_for_a_container_that_is_gone(tmp_path: Path) -> None:
    """It is an error, and no half a document is left."""
    async with asked(tmp_path) as engine:
        with pytest.raises(PodmanError, match="not found"):
            await harvest_api.harvest(engine, "hermes-test-gone", order(tmp_path, tmp_path))
    assert not (tmp_path / "changes.json").exists()


async def test_an_answer_of_podman_is_bounded(tmp_path: Path) -> None:
    """A download of more bytes than wanted is given up."""
    async with asked(tmp_path) as engine:
        with pytest.raises(PodmanError, match="larger than 10 bytes"):
            await engine.download("/info", most_bytes=10)
        with await engine.download("/_ping", most_bytes=10) as file:
            assert file.read() == b"OK"
