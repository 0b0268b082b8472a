"""Connections behind a trusted proxy: whose they are, and what a proxy may not do."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from hermes.evidence import events as ev
from hermes.evidence.record import Desk
from hermes.evidence.writer import Writer
from hermes.settings import AuthSettings, LimitSettings
from hermes.ssh import proxied
from hermes.ssh.door import Door
from hermes.ssh.listener import Listener
from hermes.ssh.policy import PasswordPolicy
from hermes.ssh.userdb import parse_userdb
from tests.unit.test_close import NoSandboxes

PROXY, STRANGER = "127.0.0.3", "127.0.0.4"
HEADER = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 2200\r\n"
BANNER = b"SSH-2.0-OpenSSH_9.2p1\r\n"


@dataclass
class Room:
    """A listener and the events of its sessions."""

    listener: Listener
    port: int
    events: list[ev.Event] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def come(self, source: str) -> AsyncIterator["Visit"]:
        """Connect from an address."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(source, 0)
        )
        try:
            yield Visit(reader, writer)
        finally:
            writer.close()

    def sources(self) -> list[tuple[str, int]]:
        """Say who came, by the events."""
        come = [event for event in self.events if isinstance(event, ev.SessionConnected)]
        return [(event.source_ip, event.source_port) for event in come]


@dataclass
class Visit:
    """One connection to it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> bytes:
        """Read what comes next; nothing when it was closed."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(len(BANNER))
            except ConnectionResetError:
                return b""


@pytest.fixture
def limits() -> LimitSettings:
    """The usual limits."""
    return LimitSettings()


@pytest.fixture
def writer() -> Iterator[Writer]:
    """Writes what sessions record."""
    writer = Writer()
    yield writer
    writer.close()


@pytest.fixture
def address() -> str:
    """Where the listener is."""
    return "127.0.0.1"


@pytest.fixture
async def room(
    tmp_path: Path, address: str, limits: LimitSettings, writer: Writer
) -> AsyncIterator[Room]:
    """A listener that trusts one proxy."""
    events: list[ev.Event] = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.create_server(
        (address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6
    )
    async with asyncio.TaskGroup() as tasks:
        listener = Listener(
            door=Door([bound], PasswordPolicy(parse_userdb("", "users"), 0)),
            auth=AuthSettings(),
            limits=limits,
            desk=Desk(writer, tmp_path, "sensor", 1 << 20, events.append),
            lessor=NoSandboxes(),
            tasks=tasks,
            banner=lambda: BANNER.decode().strip(),
            proxies=(ipaddress.ip_network(f"{PROXY}/32"),),
        )
        port = bound.getsockname()[1]
        await listener.start([asyncssh.generate_private_key("ssh-ed25519")])
        yield Room(listener, port, events)
        await listener.close()


async def test_a_header_names_the_visitor(room: Room) -> None:
    """Source and destination are those of the header, and SSH goes on behind it."""
    async with room.come(PROXY) as visit:
        visit.writer.write(HEADER + b"SSH-2.0-x\r\n")
        assert await visit.read() == BANNER
        assert await visit.read() != b""  # its answer to the client's version
        (session,) = room.listener._context.sessions.values()
        assert session.source == ("198.51.100.7", 40000)
        assert session.destination == ("192.0.2.1", 2200)
        assert session.environment()["SSH_CONNECTION"] == "198.51.100.7 40000 192.0.2.1 2200"
        assert session.visitor == "198.51.100.7"
        assert [status.source_ip for status in room.listener.status()] == ["198.51.100.7"]
    assert room.sources() == [("198.51.100.7", 40000)]


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1"])
async def test_a_socket_of_both_families_names_ipv4_as_such(room: Room) -> None:
    """A visitor is called as on a socket of his own family, and a proxy is known there too."""
    async with room.come(STRANGER) as visit, room.come(PROXY) as other:
        other.writer.write(HEADER)
        assert await visit.read() == await other.read() == BANNER
        (session, *_more) = room.listener._context.sessions.values()
        assert session.destination[0] == "127.0.0.1"
    assert {host for host, _port in room.sources()} == {STRANGER, "198.51.100.7"}


async def test_a_header_may_come_in_pieces(room: Room) -> None:
    """Nothing is said before it is whole."""
    async with room.come(PROXY) as visit:
        for byte in HEADER[:-1]:
            visit.writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        assert room.listener._context.not_logged_in() == 1
        assert room.events == []
        visit.writer.write(HEADER[-1:])
        assert await visit.read() == BANNER
        assert room.listener._context.not_logged_in() == 1


async def test_a_proxy_may_speak_for_itself(room: Room) -> None:
    """A header without addresses leaves those of the connection."""
    async with room.come(PROXY) as visit:
        visit.writer.write(b"PROXY UNKNOWN\r\n")
        assert await visit.read() == BANNER
    assert [host for host, _port in room.sources()] == [PROXY]


async def test_strangers_name_nobody(room: Room) -> None:
    """Who is no trusted proxy is served at once, and a header of his is the garbage it is."""
    async with room.come(STRANGER) as visit:
        assert await visit.read() == BANNER
        visit.writer.write(HEADER)
        assert b"SSH-" not in await visit.read()
    assert [host for host, _port in room.sources()] == [STRANGER]


async def test_a_proxy_without_a_header_is_closed(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once in a while, and nobody's session begins."""
    for _ in range(3):
        async with room.come(PROXY) as visit:
            visit.writer.write(b"SSH-2.0-x\r\n")
            assert await visit.read() == b""
    assert room.events == []
    assert room.listener._context.not_logged_in() == 0
    (record,) = caplog.records
    assert record.getMessage() == (
        f"a connection of the proxy {PROXY} has no PROXY header: it begins with something else"
    )


async def test_a_proxy_that_only_looks_is_no_trouble(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """A check of health that connects and hangs up leaves no line and no count."""
    async with room.come(PROXY) as visit:
        visit.writer.write_eof()
        assert await visit.read() == b""
    assert caplog.records == []
    assert room.listener._context.not_logged_in() == 0
    async with room.come(PROXY) as visit:
        visit.writer.write(HEADER[:9])
        visit.writer.write_eof()
        assert await visit.read() == b""
    assert "cut short" in caplog.text


async def test_a_proxy_has_to_be_quick(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A header that does not come in time is waited for no longer."""
    monkeypatch.setattr(proxied, "_HEADER_SECONDS", 0.1)
    async with room.come(PROXY) as visit:
        assert await visit.read() == b""
    assert "none came within 0.1 s" in caplog.text


@pytest.mark.parametrize("limits", [LimitSettings(startups=(2, 100, 3))])
async def test_who_waits_for_a_header_is_counted(room: Room) -> None:
    """Connections without one fill LIMITS__STARTUPS, and are forgotten when they end."""
    async with room.come(PROXY), room.come(PROXY):
        await asyncio.sleep(0.05)
        async with room.come(STRANGER) as late:
            assert await late.read() == b""
        async with room.come(PROXY):
            await asyncio.sleep(0.05)
            async with room.come(PROXY) as late:
                assert await late.read() == b""
    await asyncio.sleep(0.05)
    async with room.come(STRANGER) as visit:
        assert await visit.read() == BANNER


@pytest.mark.parametrize("limits", [LimitSettings(sessions_per_visitor=1)])
async def test_visitors_are_limited_and_not_their_proxy(room: Room) -> None:
    """The limit on one address is that of the visitor."""
    async with room.come(PROXY) as one, room.come(PROXY) as other, room.come(PROXY) as again:
        one.writer.write(HEADER)
        assert await one.read() == BANNER
        other.writer.write(HEADER.replace(b".7 ", b".8 "))
        assert await other.read() == BANNER
        again.writer.write(HEADER)
        assert await again.read() == b""


async def test_closing_ends_who_waits_for_a_header(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy that says nothing holds up no stop."""
    caplog.set_level(logging.WARNING)
    async with room.come(PROXY) as visit:
        await asyncio.sleep(0.05)
        await room.listener.drain()
        assert await visit.read() == b""
    assert caplog.records == []
