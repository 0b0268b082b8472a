import asyncio
import io
import json
import re
import subprocess
import tarfile
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from hermes.errors import ImageError
from hermes.image import Recipe, build, decoys, ensure, identity_of, workspace
from hermes.image.bootstrap import import_root
from hermes.image.builder import copy_for_mapping
from hermes.image.derive import exists
from hermes.image.identity import LABEL, Identity
from hermes.sandbox.api_service import connected
from hermes.sandbox.engine import Engine

pytestmark = [pytest.mark.podman, pytest.mark.timeout(300)]

TAG = "localhost/hermes-test-image"
_PROGRAM_HEADERS = 4096
WANTED = (
    "bash ls ps netstat ifconfig ip ping curl wget nc vi nano less file python3 perl git crontab "
    "sudo ssh busybox lsattr lsb_release locale useradd chpasswd su"
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A podman of this test's own; its images go when it ends."""
    async with connected(None, tmp_path) as client:
        yield client
        for image in await decoys(client):
            if image.name.startswith(TAG):
                await client.request("DELETE", f"/images/{image.name}", query={"force": "true"})


class Steps:
    """A report that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.fractions: list[float] = []

    def __call__(self, stage: str, fraction: float | None) -> None:
        """Remember one step."""
        self.stages.append(stage)
        self.fractions += [] if fraction is None else [fraction]


async def inside(engine: Engine, tag: str, script: str) -> str:
    """Run a script in a container of the image, with no network, and return what it printed."""
    command = ["podman", "--url", f"unix://{engine.socket}", "run", "--rm", "--network=none"]
    command += ["--no-hosts", "--entrypoint=", tag, "/bin/sh", "-c", script]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


async def import_files(
    engine: Engine, path: Path, tag: str, files: dict[str, bytes], links: dict[str, str]
) -> None:
    """Make an image of nothing but these programs."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o755, len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    await import_root(engine, path, tag, {LABEL: Identity("base", "10.0.0.1").label()})


async def test_a_bootstrapped_decoy_is_one_machine_with_a_past(engine: Engine) -> None:
    """Built from the archive alone, it has the tools, the users and a history of its own."""
    tag, steps = f"{TAG}:bootstrap", Steps()
    who = await build(engine, Recipe.fresh(tag, hostname="web-17"), steps)
    assert steps.fractions == sorted(steps.fractions)
    assert steps.fractions[-1] == 1.0
    assert await identity_of(engine, tag) == who
    assert await ensure(engine, tag, steps) == who
    assert "root 755" in await inside(engine, tag, "stat -Lc '%U %a' /sbin/init")

    missing = f"for p in {WANTED}; do command -v $p >/dev/null || echo $p; done"
    assert await inside(engine, tag, missing) == ""
    assert "OpenSSH_" in await inside(engine, tag, "ssh -V")
    system = await inside(
        engine,
        tag,
        "bash -lc 'useradd -m bob && echo bob:x | chpasswd && su bob -c id && crontab -l'",
    )
    assert "(bob)" in system
    assert "site-backup" in system

    identity = await inside(
        engine, tag, "cat /etc/hosts /etc/network/interfaces; ls -1 /usr/lib/openssh"
    )
    assert "web-17" in identity
    assert who.address in identity
    assert "sftp-server" in identity
    assert "pts/0" in await inside(engine, tag, "last")
    assert "Accepted" in await inside(engine, tag, "cat /var/log/auth.log /var/log/auth.log.1")

    leaks = "mmdebstrap|sbin/policy-rc|dockerenv|hermes|furnish"
    traces = f"find / -xdev | grep -E '{leaks}'; grep -rIlE '{leaks}' /etc /var/log /root /srv"
    assert await inside(engine, tag, traces) == ""
    own_resolver = await asyncio.to_thread(Path("/etc/resolv.conf").read_text)
    assert await inside(engine, tag, "cat /etc/resolv.conf") != own_resolver
    assert await inside(
        engine, tag, "find /etc /home /root /usr/bin /usr/sbin/init /srv -newermt '-1 hour'"
    ) == ("/etc/hostname\n")


async def test_a_decoy_derives_from_an_image_that_has_almost_nothing(
    engine: Engine, tmp_path: Path
) -> None:
    """One busybox is enough to be furnished; what does not apply is left out."""
    path = await asyncio.to_thread(static_busybox)
    program = await asyncio.to_thread(path.read_bytes)
    applets = await asyncio.to_thread(_output, path, "--list")
    links = {f"bin/{name}": "busybox" for name in applets.split() if name != "busybox"}
    base = f"{TAG}:busybox"
    await import_files(engine, tmp_path / "base.tar", base, {"bin/busybox": program}, links)

    tag = f"{TAG}:derived"
    who = await build(engine, Recipe.fresh(tag, base, "web-17"), Steps())
    assert await identity_of(engine, tag) == who
    text = await inside(engine, tag, "cat /etc/hosts /root/.my.cnf; ls /home /var/log/nginx")
    assert "web-17" in text
    assert "password" in text
    assert "access.log.14.gz" in text

    assert "root 755" in await inside(engine, tag, "stat -c '%U %a' /sbin/init")

    first = [image.id for image in await decoys(engine) if image.name == tag]
    await build(engine, Recipe.fresh(tag, base), Steps())
    assert first[0] not in [image.id for image in await decoys(engine)]


async def test_a_built_image_is_ready_for_the_mapping(engine: Engine, tmp_path: Path) -> None:
    """The copy that podman makes for it is made, and its container is gone."""
    tag, filler = f"{TAG}:mapped", b"\0" * 1024
    files = {f"srv/{number}": filler for number in range(20_000)}
    await import_files(engine, tmp_path / "base.tar", tag, files, {})
    seconds = [await _timed(copy_for_mapping(engine, tag)) for _ in range(2)]
    assert seconds[1] < seconds[0] / 2
    query = {"all": "true", "filters": json.dumps({"ancestor": [tag]})}
    assert not await engine.json("GET", "/containers/json", query=query)


async def test_an_image_that_is_nowhere_is_named(engine: Engine) -> None:
    """One sentence with the name and the fix, for a base and for what settings name."""
    absent = "localhost/hermes-test-absent:1"
    with pytest.raises(ImageError, match=f"neither has the image {absent} nor can pull it"):
        await build(engine, Recipe.fresh(f"{TAG}:x", absent), Steps())
    with pytest.raises(ImageError, match=f"podman has no image {absent}"):
        await ensure(engine, absent, Steps())


async def test_an_image_with_another_init_is_named_with_the_fix(
    engine: Engine, tmp_path: Path
) -> None:
    """Sandboxes of it would not understand this version."""
    tag = f"{TAG}:older"
    await import_files(engine, tmp_path / "base.tar", tag, {"sbin/init": b"older"}, {})
    with pytest.raises(ImageError, match=f"hermes image build --from {tag} --tag {tag}"):
        await ensure(engine, tag, Steps())


async def test_an_image_without_a_shell_is_refused(engine: Engine, tmp_path: Path) -> None:
    """It is named, and no half-made decoy stays."""
    base, tag = f"{TAG}:empty", f"{TAG}:from-empty"
    await import_files(engine, tmp_path / "base.tar", base, {"readme": b"nothing"}, {})
    with pytest.raises(ImageError, match=rf"{base} cannot be made a decoy"):
        await build(engine, Recipe.fresh(tag, base), Steps())
    assert not await exists(engine, tag)


async def test_a_build_that_is_given_up_leaves_nothing(engine: Engine) -> None:
    """Cancelled in the middle, it takes its program and its files along."""
    reached = asyncio.Event()

    def report(stage: str, fraction: float | None) -> None:
        del fraction
        if stage == "unpacking the base":
            reached.set()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(build(engine, Recipe.fresh(f"{TAG}:given-up"), report))
        await asyncio.wait_for(reached.wait(), 120)
        task.cancel()
    left = [path for place in workspace.candidates() for path in place.glob(f"{workspace.PREFIX}*")]
    assert [path for path in left if path.owner() == Path.home().owner()] == []
    assert not await exists(engine, f"{TAG}:given-up")


async def _timed(work: Awaitable[None]) -> float:
    begun = time.monotonic()
    await work
    return time.monotonic() - begun


def _output(*command: Path | str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def static_busybox() -> Path:
    """Find a busybox that runs without libraries, or skip."""
    for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        program = path.read_bytes() if path.exists() else b""
        if program and not re.search(rb"/ld-(linux|musl)", program[:_PROGRAM_HEADERS]):
            return path
    pytest.skip("no static busybox here: install busybox-static")
