"""One session channel: what the client asks of it, and the bytes between him and his program."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal

import asyncssh

from hermes.errors import GuestError, GuestLostError
from hermes.evidence import events as ev
from hermes.evidence.recording import Recording, Screen
from hermes.guest import ChannelRequest, Exit, GuestChannel, Lease
from hermes.ssh.environment import Environment
from hermes.ssh.inbox import Eof, Inbox, Resize, Signal

if TYPE_CHECKING:
    from hermes.ssh.session import Session

log = logging.getLogger(__name__)

_INBOX_BYTES: Final = 256 << 10
_SFTP_SERVER: Final = "/usr/lib/openssh/sftp-server"
_LARGEST_TERMINAL: Final = 65535
_LONGEST_TERMINAL_NAME: Final = 64
_SIGNALS: Final = frozenset(
    {"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM"}
    | {"USR1", "USR2"}
)

Kind = Literal["shell", "exec", "subsystem"]


class Channel(asyncssh.SSHServerSession[bytes]):
    """Collects requests, then runs one program until it or the client ends."""

    _channel: asyncssh.SSHServerChannel[bytes]
    _recording: Recording
    _guest: GuestChannel

    def __init__(self, session: "Session", lease: Lease, number: int) -> None:
        self._session = session
        self._lease = lease
        self._number = number
        self._screen: Screen | None = None
        self._kind: Kind = "shell"
        self._command: str | None = None
        self._inbox = Inbox()
        self._writable = asyncio.Event()
        self._writable.set()
        self._serving: asyncio.Task[None] | None = None
        self._exit = Exit()
        self._received_bytes = self._sent_bytes = 0
        self._started = monotonic()
        self._lost = False

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep asyncssh's end, and bound what it would collect without end."""
        self._channel = chan
        chan._env = Environment()  # noqa: SLF001 - asyncssh has no limit of its own to set

    def connection_lost(self, exc: Exception | None) -> None:
        """End the program when the channel closes."""
        del exc
        self._lost = True
        self._session.channel_closed()
        if self._serving is not None:
            self._serving.cancel()

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        """Remember the terminal; the program gets it when it starts."""
        del term_modes
        columns, rows = (min(size, _LARGEST_TERMINAL) for size in term_size[:2])
        self._screen = Screen(term_type[:_LONGEST_TERMINAL_NAME], columns or 80, rows or 24)
        return True

    def shell_requested(self) -> bool:
        """Agree to a login shell."""
        return True

    def exec_requested(self, command: str) -> bool:
        """Agree to a command."""
        self._kind, self._command = "exec", command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """Agree to sftp, and to nothing else, as sshd's configuration does."""
        if subsystem != "sftp":
            self._session.record.add(
                ev.ChannelRefused(
                    **self._session.record.stamp(), kind="subsystem", reason=subsystem[:255]
                )
            )
            return False
        self._kind, self._command = "subsystem", _SFTP_SERVER
        return True

    def session_started(self) -> None:
        """Run the program."""
        self._session.serve(self)

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Pass a new size on, in order with the input."""
        del pixwidth, pixheight
        columns, rows = min(width, _LARGEST_TERMINAL), min(height, _LARGEST_TERMINAL)
        if self._screen is not None and columns and rows:
            self._inbox.put(Resize(columns, rows))

    def signal_received(self, signal: str) -> None:
        """Pass on a signal that RFC 4254 knows."""
        if signal in _SIGNALS:
            self._inbox.put(Signal(signal))

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Take input; stop taking it while the program lags behind."""
        del datatype
        self._session.active()
        self._received_bytes += len(data)
        if self._inbox.idle and self._guest.write_now(data):  # no turn of the loop for a key
            self._recording.received(data)
            return
        self._inbox.put(data)
        if self._inbox.bytes > _INBOX_BYTES:
            self._channel.pause_reading()

    def eof_received(self) -> bool:
        """Pass on the end of the input; the channel stays open for output."""
        self._inbox.put(Eof())
        return True

    def pause_writing(self) -> None:
        """Stop reading the program: the client lags behind."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on reading the program."""
        self._writable.set()

    async def serve(self) -> None:
        """Run the program to its end; every failure ends here, with the channel."""
        self._serving = asyncio.current_task()
        if self._lost:
            return
        session = self._session.record.session
        try:
            await self._run_recorded()
        except* GuestLostError as errors:
            log.info("session %s: %s", session, errors.exceptions[0])
            self._session.end("sandbox lost")
        except* GuestError as errors:
            log.info("session %s: %s", session, errors.exceptions[0])
        except* Exception:
            # The boundary of a session: nothing of one attacker may reach the others.
            log.exception("session %s broke", session)
            self._session.end("error")
        finally:
            self._channel.close()

    async def _run_recorded(self) -> None:
        self._recording = self._session.record.recording(self._number, self._screen)
        self._add_opened()
        try:
            await self._run()
        finally:
            self._recording.close()
            self._add_closed()

    async def _run(self) -> None:
        guest = self._guest = await self._lease.open(self._request())
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(self._feed(guest))
                await self._drain(guest)
                feeding.cancel()
            self._exit = await guest.exit()
        finally:
            self._session.hang_up(guest)
        with contextlib.suppress(OSError):  # the client has closed the channel meanwhile
            self._tell_exit()

    def _tell_exit(self) -> None:
        if self._exit.signal is not None:
            self._channel.exit_with_signal(self._exit.signal)
        else:
            self._channel.exit(self._exit.status or 0)

    async def _drain(self, guest: GuestChannel) -> None:
        """Pass output to the client, no faster than he takes it."""
        while (output := await guest.read()) is not None:
            await self._writable.wait()
            await self._session.packets.writable.wait()
            self._session.active()
            self._sent_bytes += len(output.data)
            self._recording.sent(output.data, stderr=output.stderr)
            kind = asyncssh.EXTENDED_DATA_STDERR if output.stderr else None
            # Closed by the client: this task is cancelled soon.
            with contextlib.suppress(OSError), self._session.packets.joined():
                self._channel.write(output.data, kind)

    async def _feed(self, guest: GuestChannel) -> None:
        """Pass input to the program, in the order in which it came."""
        while True:
            match await self._inbox.take():
                case bytes() as data:
                    self._recording.received(data)
                    await guest.write(data)
                    if self._inbox.bytes <= _INBOX_BYTES // 2:
                        self._channel.resume_reading()
                case Resize(columns, rows):
                    self._recording.resized(columns, rows)
                    await guest.resize(columns, rows)
                case Signal(name):
                    await guest.signal(name)
                case Eof():
                    await guest.write_eof()

    def _request(self) -> ChannelRequest:
        return ChannelRequest(
            user=self._session.user,
            command=self._command,
            screen=self._screen,
            source=self._session.source[0],
            environment={**self._accepted_environment(), **self._session.environment()},
        )

    def _accepted_environment(self) -> dict[str, str]:
        given = self._channel.get_environment()
        return {
            name: value
            for name, value in given.items()
            if name == "LANG" or name.startswith("LC_")  # AcceptEnv of Debian's sshd_config
        }

    def _add_opened(self) -> None:
        record = self._session.record
        record.add(
            ev.ChannelOpened(
                **record.stamp(),
                channel=self._number,
                kind=self._kind,
                command=self._command,
                terminal=self._screen.kind if self._screen else None,
                columns=self._screen.columns if self._screen else None,
                rows=self._screen.rows if self._screen else None,
                environment=dict(self._channel.get_environment()),
                recording=self._recording.name,
            )
        )

    def _add_closed(self) -> None:
        record = self._session.record
        record.add(
            ev.ChannelClosed(
                **record.stamp(),
                channel=self._number,
                exit_status=self._exit.status,
                exit_signal=self._exit.signal,
                received_bytes=self._received_bytes,
                sent_bytes=self._sent_bytes,
                unrecorded_bytes=self._recording.unrecorded_bytes,
                seconds=monotonic() - self._started,
            )
        )
