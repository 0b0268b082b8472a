"""Where ``ssh/`` and ``sandbox/`` meet: what a session asks of a sandbox, and gets.

Neither room imports the other; `hermes.service` joins them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hermes.evidence.recording import Screen


@dataclass(frozen=True)
class ChannelRequest:
    """A login shell (no command) or a command, as ``user``, with or without a terminal."""

    user: str
    command: str | None = None
    screen: Screen | None = None
    source: str = ""
    """The client's address, for the records of logins."""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exit:
    """How a program ended: with a status, or by a signal (named as in RFC 4254, without SIG)."""

    status: int | None = None
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes from inside; ``stderr`` is always False on a terminal."""

    data: bytes
    stderr: bool = False


class GuestChannel(Protocol):
    """A program running in a sandbox. Whoever opened it closes it.

    Every method but `close` raises GuestLostError when the sandbox is gone.
    """

    async def read(self) -> Output | None:
        """Wait for output; None when there will be no more."""

    async def write(self, data: bytes) -> None:
        """Feed input; returns when the sandbox has taken most of it."""

    def write_now(self, data: bytes) -> bool:
        """Feed input that the sandbox takes whole without waiting; else False, and nothing done."""

    async def write_eof(self) -> None:
        """End the input; on a terminal it does nothing, as with sshd."""

    async def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal."""

    async def signal(self, name: str) -> None:
        """Send a signal, named as in RFC 4254, 6.9 (without SIG)."""

    async def exit(self) -> Exit:
        """Wait, after the last output, for the program's end."""

    async def close(self) -> None:
        """Hang up; idempotent."""


class Lease(Protocol):
    """A session's hold on a sandbox."""

    @property
    def sandbox(self) -> str:
        """Its name."""

    async def open(self, request: ChannelRequest) -> GuestChannel:
        """Start a program; raises GuestError, GuestLostError when the sandbox is gone."""

    def release(self) -> None:
        """Give the sandbox up; idempotent, returns at once."""


class Lessor(Protocol):
    """Hands out sandboxes."""

    async def lease(self, session: str, visitor: str, directory: Path) -> Lease:
        """Wait for the visitor's sandbox; raises LeaseError when none can be had in time.

        What he leaves in it is noted in ``directory``, the session's.
        """
