"""A sandbox's stream by a Unix socket: its first process's own, or conmon's."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

_STDOUT: Final = 2
_CONMON_DATA: Final = 8192
_CONMON_INPUT: Final = 32768
_BATCH_BYTES: Final = 256 << 10

OnData = Callable[[memoryview | bytes], None]
OnLost = Callable[[str], None]


@dataclass(frozen=True)
class Receiver:
    """Who hears of a stream: its bytes, and once its end with the reason."""

    data: OnData
    lost: OnLost


class Stream(Protocol):
    """An attached stream; whoever attached it closes it, which ends the guest."""

    @property
    def descriptor(self) -> int | None:
        """A descriptor that keeps the guest from ending while it is open anywhere."""

    def send(self, data: bytes) -> None:
        """Queue bytes for the guest; the guest's grants bound what waits here."""

    def close(self) -> None:
        """Let go; idempotent. The receiver hears nothing of it."""


class DirectStream:
    """A stream over the socket that the guest offered; it ends with conmon, too.

    The socket and ``conmon``, a pidfd, are taken over.
    """

    def __init__(self, connected: socket.socket, conmon: int, receiver: Receiver) -> None:
        connected.setblocking(False)  # noqa: FBT003 - a standard name
        self._socket = connected
        self._conmon = conmon
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._batch = memoryview(bytearray(_BATCH_BYTES))
        self._waiting = bytearray()
        self._closed = False
        self._loop.add_reader(connected, self._readable)
        self._loop.add_reader(conmon, self._end)

    @property
    def descriptor(self) -> int | None:
        """The socket."""
        return None if self._closed else self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Queue bytes, and send what the socket takes."""
        if self._closed:
            return
        idle = not self._waiting
        self._waiting += data
        if idle:
            self._writable()

    def close(self) -> None:
        """Let go of the socket."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._loop.remove_reader(self._conmon)
            self._socket.close()
            os.close(self._conmon)

    def _readable(self) -> None:
        try:
            size = self._socket.recv_into(self._batch)
        except BlockingIOError:
            return
        except OSError:  # the other end was killed
            size = 0
        if size:
            self._receiver.data(self._batch[:size])
        else:
            self._end()

    def _end(self) -> None:
        self.close()
        self._receiver.lost("its stream ended")

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._waiting)
        except BlockingIOError:
            sent = 0
        except OSError:  # the reader hears of it and tells the receiver
            sent = len(self._waiting)
        del self._waiting[:sent]
        if self._waiting:
            self._loop.add_writer(self._socket, self._writable)
        else:
            self._loop.remove_writer(self._socket)


class ConmonStream:
    """A stream over conmon's own socket, which is taken over."""

    def __init__(self, connected: socket.socket, receiver: Receiver) -> None:
        connected.setblocking(False)  # noqa: FBT003 - a standard name
        self._socket = connected
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._stream = bytearray(1)
        self._batch = memoryview(bytearray(_BATCH_BYTES))
        self._waiting: deque[bytes] = deque()
        self._closed = False
        self._loop.add_reader(connected, self._readable)

    @property
    def descriptor(self) -> int | None:
        """None: conmon's messages would have to be taken apart."""
        return None

    def send(self, data: bytes) -> None:
        """Queue bytes, cut into messages that conmon takes whole."""
        idle = not self._waiting
        for place in range(0, len(data), _CONMON_INPUT):
            self._waiting.append(data[place : place + _CONMON_INPUT])
        if idle and not self._closed:
            self._writable()

    def close(self) -> None:
        """Let go of the socket."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()

    def _readable(self) -> None:
        """Take many messages at one waking, side by side, each without its first byte."""
        size, ended = 0, False
        while size <= len(self._batch) - _CONMON_DATA:
            try:
                got = self._socket.recvmsg_into(
                    (self._stream, self._batch[size : size + _CONMON_DATA])
                )[0]
            except BlockingIOError:
                break
            except OSError:  # the other end was killed
                got = 0
            if got == 0:
                ended = True
                break
            size += got - 1 if self._stream[0] == _STDOUT else 0
        if size:
            self._receiver.data(self._batch[:size])
        if ended and not self._closed:
            self.close()
            self._receiver.lost("its stream ended")

    def _writable(self) -> None:
        while self._waiting:
            try:
                self._socket.send(self._waiting[0])
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._writable)
                return
            except OSError:  # the reader hears of it and tells the receiver
                self._waiting.clear()
                break
            self._waiting.popleft()
        self._loop.remove_writer(self._socket)
