from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import pytest

from hermes.errors import PodmanError
from hermes.guest import ChannelRequest
from hermes.sandbox import namespace
from hermes.sandbox.api_service import connected
from hermes.sandbox.attach import ApiStream, Attacher
from hermes.sandbox.decoy import Decoy, image_id
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.sandbox import Plan, Sandbox
from hermes.sandbox.streams import ConmonStream, DirectStream
from hermes.settings import SandboxSettings

pytestmark = pytest.mark.podman

INPUT: Final = bytes(range(256)) * 4000


class Refused(Namespace):
    """The broker of a host whose kernel lets nobody take a descriptor out of a process."""

    async def take(self, pid: int, conmon: int) -> Any:
        """Be refused."""
        del pid, conmon
        raise PodmanError("Operation not permitted")


@asynccontextmanager
async def refused(notes: Path) -> AsyncIterator[Namespace]:
    """A broker that has started."""
    broker = Refused(notes, "attach")
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()


WAYS: dict[str, tuple[Callable[[Path], Any], type]] = {
    "direct": (lambda notes: namespace.running(notes, "attach"), DirectStream),
    "conmon": (refused, ConmonStream),
    "API": (lambda _notes: nullcontext(), ApiStream),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_a_sandbox_carries_all_bytes(
    image: str, tmp_path: Path, way: str
) -> None:
    """A megabyte of every byte goes in and comes out again, whatever the host allows."""
    begin, kind = WAYS[way]
    async with connected(None, tmp_path) as engine, begin(tmp_path / "notes") as broker:
        plan = Plan(SandboxSettings(image=image), "attach", timeout_seconds=100)
        box = Sandbox(engine, plan, Decoy(await image_id(engine, image)))
        try:
            await box.create()
            await box.start(Attacher(engine, broker))
            assert isinstance(box._stream, kind)
            assert await echoed(box, INPUT) == INPUT
        finally:
            await box.end()
            await box.delete()


async def echoed(box: Sandbox, data: bytes) -> bytes:
    """Send bytes through a program inside, in pieces so that neither end waits for the other."""
    channel = await box.open(ChannelRequest(user="root", command="cat"))
    answer, step = b"", 16 << 10
    for place in range(0, len(data), step):
        part = data[place : place + step]
        await channel.write(part)
        while len(answer) < place + len(part):
            output = await channel.read()
            assert output is not None
            answer += output.data
    await channel.close()
    return answer
