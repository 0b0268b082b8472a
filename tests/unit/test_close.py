"""The end of a listener whose sessions do not end."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from hermes.errors import LeaseError
from hermes.evidence.record import Desk
from hermes.evidence.writer import Writer
from hermes.guest import Lease
from hermes.settings import AuthSettings, LimitSettings
from hermes.ssh import listener as room
from hermes.ssh.channel import Channel
from hermes.ssh.door import Door
from hermes.ssh.listener import Listener
from hermes.ssh.policy import PasswordPolicy
from hermes.ssh.session import Session
from hermes.ssh.userdb import parse_userdb


class NoSandboxes:
    """Has none to lease."""

    async def lease(self, session: str, visitor: str, directory: Path) -> Lease:  # noqa: ARG002 - a protocol
        """Refuse."""
        raise LeaseError(session, visitor)


class Deaf(Session):
    """Does not end when it is told to."""

    def end(self, reason: str) -> None:
        """Do nothing."""


class Endless(Channel):
    """Runs until it is cancelled."""

    def __init__(self) -> None:
        """Need nothing."""

    async def serve(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


async def test_closing_gives_up_on_what_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After some seconds the session is named in the log, and its programs hold up nobody."""
    monkeypatch.setattr(room, "_CLOSE_SECONDS", 0.2)
    writer = Writer()
    desk = Desk(writer, tmp_path, "sensor", 1 << 20, lambda _event: None)
    began = monotonic()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        listener = Listener(
            door=Door([], PasswordPolicy(parse_userdb("", "users"), 0)),
            auth=AuthSettings(),
            limits=LimitSettings(),
            desk=desk,
            lessor=NoSandboxes(),
            tasks=tasks,
            banner=lambda: "SSH-2.0-OpenSSH_9.2p1",
        )
        session = Deaf(listener._context)
        session.record = desk.begin()
        listener._context.sessions[session.record.session] = session
        session.serve(Endless())
        await listener.close()
    await asyncio.to_thread(writer.close)
    assert 0.2 <= monotonic() - began < 2
    assert f"session {session.record.session} did not end" in caplog.text
