"""All channels of one sandbox over its one stream, by the frames of `hermes.sandbox.frames`.

The stream is always read: a reader that stops would block the process that supervises the
container. Credit keeps what is not yet taken small instead, `WINDOW` bytes for each channel.
"""

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Callable
from typing import Final

from hermes.errors import GuestError, GuestLostError, ProtocolError
from hermes.guest import ChannelRequest, Exit, Output
from hermes.sandbox import frames
from hermes.sandbox.frames import Frame, FromGuest, ToGuest

log = logging.getLogger(__name__)

WINDOW: Final = 512 << 10
_LARGEST_READ: Final = 128 << 10
_OPEN_SECONDS: Final = 10.0
_LARGEST_INPUT: Final = 16 << 10
_FAILURES: Final = {1: "no place", 2: "no terminal", 3: "no process", 4: "no account"}


class Multiplexer:
    """One sandbox's channels; ``send`` takes bytes for the guest and returns at once."""

    def __init__(self, name: str, send: Callable[[bytes], None]) -> None:
        self._name = name
        self._send = send
        self._decoder = frames.Decoder()
        self._channels: dict[int, GuestChannel] = {}
        self._free = deque(range(frames.CHANNELS))
        self._ready = asyncio.Event()
        self._halted = asyncio.Event()
        self._lost: GuestLostError | None = None
        self._deaf = False

    @property
    def lost(self) -> GuestLostError | None:
        """Why there is no sandbox any more, or None."""
        return self._lost

    async def greet(self, deadline_seconds: int) -> None:
        """Give the guest its deadline and wait until it is ready; raises GuestLostError."""
        self.send(frames.number_frame(ToGuest.HELLO, 0, deadline_seconds))
        await self._ready.wait()
        self._check()

    async def open(self, request: ChannelRequest) -> "GuestChannel":
        """Start a program; raises GuestError when the guest cannot."""
        self._check()
        if not self._free:
            raise GuestError(f"{self._name} has no channel left")
        opening = frames.open_frame(self._free[0], WINDOW, request)
        number = self._free.popleft()
        channel = self._channels[number] = GuestChannel(self, number)
        try:
            self.send(opening)
            await asyncio.wait_for(channel.opened(), _OPEN_SECONDS)
        except TimeoutError as error:
            await channel.close()
            raise GuestError(f"{self._name} did not open a channel in time") from error
        except BaseException:  # cancelled too: the guest is owed the end of the channel
            await channel.close()
            raise
        return channel

    async def halt(self) -> bool:
        """End every channel, and every process but the guest's first; False when it is gone."""
        self.send(frames.frame(ToGuest.HALT))
        self._end_channels("it was ended")
        await self._halted.wait()
        return not self._deaf

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the guest; raises ProtocolError, after which it must be ended."""
        for frame in self._decoder.feed(data):
            if frame.type is FromGuest.READY:
                self._take_ready(frame)
            elif frame.type is FromGuest.HALTED:
                self._halted.set()
            elif frame.type is FromGuest.CLOSED:
                self._take_closed(frame.channel)
            elif (channel := self._channels.get(frame.channel)) is not None:
                channel.take(frame)
            else:
                raise ProtocolError(f"{self._name} sent {frame.type.name} for no channel")

    def lose(self, reason: str) -> None:
        """End every channel: the stream is gone. Idempotent."""
        self._deaf = True
        self._end_channels(reason)
        self._ready.set()
        self._halted.set()

    def send(self, data: bytes) -> None:
        """Pass frames to the guest; nothing happens when it is gone."""
        if not self._deaf:
            self._send(data)

    def _end_channels(self, reason: str) -> None:
        if self._lost is None:
            self._lost = GuestLostError(f"{self._name} is gone: {reason}")
            for channel in self._channels.values():
                channel.wake()

    def _check(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _take_ready(self, frame: Frame) -> None:
        if frame.number != frames.VERSION or self._ready.is_set():
            raise ProtocolError(f"{self._name} speaks version {frame.number}")
        self._ready.set()

    def _take_closed(self, number: int) -> None:
        channel = self._channels.pop(number, None)
        if channel is None or not channel.closing:
            raise ProtocolError(f"{self._name} closed a channel that was not to be closed")
        self._free.append(number)


class GuestChannel:
    """A program in the sandbox; see `hermes.guest.GuestChannel`."""

    def __init__(self, multiplexer: Multiplexer, number: int) -> None:
        self.closing = False
        self._multiplexer = multiplexer
        self._number = number
        self._output: deque[Output] = deque()
        self._taken_bytes = 0
        self._window = WINDOW
        self._grant = 0
        self._opened = False
        self._ended = False
        self._failure: str | None = None
        self._exit: Exit | None = None
        self._changed = asyncio.Event()

    async def opened(self) -> None:
        """Wait until the program runs; raises GuestError when it does not."""
        await self._until(lambda: self._opened or self._failure is not None)
        if self._failure is not None:
            raise GuestError(f"the guest could not open a channel: {self._failure}")

    async def read(self) -> Output | None:
        """Wait for at most 128 KiB of output; None at its end."""
        if self._output:
            await asyncio.sleep(0)  # what is typed elsewhere waits for one piece, not a window
        await self._until(lambda: bool(self._output) or self._ended)
        if not self._output:
            return None
        output = self._next_output()
        self._give_credit(len(output.data))
        return output

    def _next_output(self) -> Output:
        """Join what came in many pieces: each that is sent costs as much as many bytes."""
        output = self._output.popleft()
        parts, size = [output.data], len(output.data)
        while self._output and self._output[0].stderr is output.stderr:
            size += len(self._output[0].data)
            if size > _LARGEST_READ:
                break
            parts.append(self._output.popleft().data)
        return output if len(parts) == 1 else Output(b"".join(parts), stderr=output.stderr)

    async def write(self, data: bytes) -> None:
        """Feed input as the guest takes it; what a program that ended did not take is lost."""
        place = 0
        while place < len(data) and self._exit is None:
            await self._until(lambda: self._grant > 0 or self._exit is not None)
            part = data[place : place + min(self._grant, _LARGEST_INPUT)]
            self._grant -= len(part)
            self._send(ToGuest.DATA, part)
            place += len(part)

    def write_now(self, data: bytes) -> bool:
        """Feed input at once when the guest has granted it all, and its program still runs."""
        if self._exit is not None or len(data) > min(self._grant, _LARGEST_INPUT):
            return False
        self._grant -= len(data)
        self._send(ToGuest.DATA, data)
        return True

    async def write_eof(self) -> None:
        """End the input; a terminal has no end."""
        self._send(ToGuest.END)

    async def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal."""
        self._multiplexer.send(frames.resize_frame(self._number, columns, rows))

    async def signal(self, name: str) -> None:
        """Send a signal to the program's process group."""
        number = signal.Signals[f"SIG{name}"].value
        self._send(ToGuest.SIGNAL, bytes((number,)))

    async def exit(self) -> Exit:
        """Wait for the program's end."""
        await self._until(lambda: self._exit is not None)
        assert self._exit is not None  # noqa: S101 - that was waited for
        return self._exit

    async def close(self) -> None:
        """Hang up; idempotent."""
        if not self.closing:
            self.closing = True
            self._output.clear()
            self._send(ToGuest.CLOSE)

    def wake(self) -> None:
        """Let every method look again."""
        self._changed.set()

    def take(self, frame: Frame) -> None:
        """Take a frame from the guest; raises ProtocolError."""
        match frame.type:
            case FromGuest.OUTPUT | FromGuest.ERROR_OUTPUT:
                self._take_output(frame)
            case FromGuest.OPENED | FromGuest.TAKEN:
                self._take_grant(frame)
            case FromGuest.FAILED:
                self._failure = _FAILURES.get(frame.payload[0], "no reason")
            case FromGuest.EXITED:
                self._exit = _exit(*frame.payload)
            case _:
                self._ended = True
        self._changed.set()

    def _take_output(self, frame: Frame) -> None:
        self._window -= len(frame.payload)
        if self._window < 0 or self._ended:
            raise ProtocolError(f"channel {self._number} sent more than it may")
        if self.closing:
            return
        self._output.append(Output(frame.payload, stderr=frame.type is FromGuest.ERROR_OUTPUT))

    def _take_grant(self, frame: Frame) -> None:
        self._opened = True
        self._grant += frame.number
        if self._grant > frames.INPUT_WINDOW:
            raise ProtocolError(f"channel {self._number} grants more than it may")

    def _give_credit(self, size: int) -> None:
        """Give credit back in large steps: each one is a frame, and work for the guest."""
        self._taken_bytes += size
        if self._taken_bytes >= WINDOW // 4:
            self._window += self._taken_bytes
            self._multiplexer.send(
                frames.number_frame(ToGuest.WINDOW, self._number, self._taken_bytes)
            )
            self._taken_bytes = 0

    def _send(self, type_: ToGuest, payload: bytes = b"") -> None:
        self._multiplexer.send(frames.frame(type_, self._number, payload))

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait for the condition; raises GuestLostError when it can no longer come true."""
        while not condition():
            if self._multiplexer.lost is not None:
                raise self._multiplexer.lost
            self._changed.clear()
            await self._changed.wait()


def _exit(by_signal: int, value: int) -> Exit:
    if not by_signal:
        return Exit(status=value)
    try:
        return Exit(signal=signal.Signals(value).name.removeprefix("SIG"))
    except ValueError:
        return Exit(status=128 + value)
