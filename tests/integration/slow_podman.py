"""A real podman that answers late: a proxy of its socket that can hold back creations."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from hermes.sandbox.api_service import ApiService


class SlowPodman:
    """Passes bytes on to podman; a creation only ``delay`` seconds after it was asked for."""

    def __init__(self, podman: Path, socket: Path) -> None:
        self.delay = 0.0
        self.held = asyncio.Event()
        self.socket = socket
        self._podman = podman

    async def serve(self) -> None:
        """Take connections until cancelled."""
        async with asyncio.TaskGroup() as tasks:

            def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tasks.create_task(self._meet(reader, writer))

            async with await asyncio.start_unix_server(meet, self.socket) as server:
                await server.serve_forever()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(self._podman)
        # A client that hangs up takes nothing back: podman goes on with what it was asked for.
        with contextlib.closing(writer), contextlib.closing(outer):
            try:
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._ask(reader, outer))
                    ways.create_task(_pass(inner, writer))
            except* ConnectionError:  # one of the two has gone, and the other is closed
                pass

    async def _ask(self, reader: asyncio.StreamReader, podman: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if data.startswith(b"POST") and b"/containers/create" in data.split(b"\r\n")[0]:
                self.held.set()
                await asyncio.sleep(self.delay)
            podman.write(data)
            await podman.drain()
        if podman.can_write_eof():
            await asyncio.sleep(2 * self.delay)
            podman.write_eof()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        with contextlib.suppress(ConnectionError):  # the client has given up
            writer.write(data)
            await writer.drain()


@contextlib.asynccontextmanager
async def slow_podman(directory: Path) -> AsyncIterator[SlowPodman]:
    """Run podman's service and the proxy in a directory."""
    service = ApiService(directory / "podman-0" / "podman.sock")
    await service.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            slow = SlowPodman(service.socket, directory / "slow.sock")
            task = tasks.create_task(slow.serve())
            while not slow.socket.exists():
                await asyncio.sleep(0.01)
            yield slow
            task.cancel()
    finally:
        await service.stop()
