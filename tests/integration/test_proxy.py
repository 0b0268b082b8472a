"""Visitors who come through a proxy that tells whose connections it passes on."""

import asyncio
import contextlib
import ipaddress
import struct
import subprocess
from collections.abc import AsyncIterator

import pytest

from tests.integration.running import Hermes, Start

PROXY = "127.0.0.3"
VISITOR, PORT = "198.51.100.7", 40000
SHOW = "echo $SSH_CLIENT; echo $SSH_CONNECTION"
TEXT = f"PROXY TCP4 {VISITOR} 192.0.2.1 {PORT} 22\r\n".encode()
BINARY = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11"
    + struct.pack("!H", 12 + 7)
    + ipaddress.ip_address(VISITOR).packed
    + ipaddress.ip_address("192.0.2.1").packed
    + struct.pack("!HH", PORT, 22)
    + b"\x03\x00\x04abcd"  # a checksum, which means nothing to Hermes
)


@contextlib.asynccontextmanager
async def forwarding(hermes: Hermes, header: bytes) -> AsyncIterator[None]:
    """Stand before a service as a proxy; its port is then the proxy's."""
    behind = hermes.port

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", behind, local_addr=(PROXY, 0))
        forth.write(header)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(copy(reader, forth))
            tasks.create_task(copy(back, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    hermes.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        hermes.port = behind
        server.close()


@pytest.mark.parametrize("header", [TEXT, BINARY], ids=["version 1", "version 2"])
async def test_the_visitor_is_the_one_behind_the_proxy(start: Start, header: bytes) -> None:
    """His address is in his environment, the pool and the record, for both clients of SSH."""
    hermes = start(SSH__PROXY_PROTOCOL=f"{PROXY}/32, 2001:db8::/32", POOL__SIZE="1")
    shown = f"{VISITOR} {PORT} 22\n{VISITOR} {PORT} 192.0.2.1 22\n"
    async with forwarding(hermes, header):
        async with hermes.connect() as connection:
            assert (await connection.run(SHOW)).stdout == shown
            visitors = [row["visitor"] for row in hermes.pool()["sandboxes"]]
        done = await asyncio.to_thread(
            subprocess.run, hermes.ssh(SHOW), capture_output=True, text=True, timeout=30
        )
    assert done.stdout == shown
    assert VISITOR in visitors
    sessions = await asyncio.to_thread(hermes.closed_sessions, 2)
    assert [session["source"]["ip"] for session in sessions] == [VISITOR] * 2


async def test_who_comes_past_the_proxy_is_himself(start: Start) -> None:
    """A peer of no trusted network is served as ever."""
    hermes = start(SSH__PROXY_PROTOCOL=f"{PROXY}/32", POOL__SIZE="1")
    async with hermes.connect(source="127.0.0.4") as connection:
        shown = await connection.run("echo $SSH_CLIENT")
    assert str(shown.stdout).startswith("127.0.0.4 ")
    assert [session["source"]["ip"] for session in hermes.closed_sessions(1)] == ["127.0.0.4"]
