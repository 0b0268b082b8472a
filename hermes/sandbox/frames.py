"""The frames that Hermes and the first process of a sandbox exchange. Pure: no I/O, no clock.

A frame is an 8-byte header and a payload; every number is big-endian::

    type (1)  zero (1)  channel (2)  length of the payload (4)

To the guest:

====== ============================================================================
HELLO  seconds until it has to end (4)
OPEN   window (4), flags (1): 1 a terminal, 2 a command instead of a login shell;
       columns (2), rows (2), then texts that end in NUL: user, command, terminal's kind,
       the client's address, and NAME=VALUE for each variable
DATA   input, no more than the guest granted
END    no more input will come
WINDOW output taken (4): so much more may be sent
RESIZE columns (2), rows (2)
SIGNAL number as Linux has it (1), for the program's process group
CLOSE  hang up; the guest answers CLOSED, and then the number is free again
HALT   end every process but the first; the guest answers HALTED and opens no more
====== ============================================================================

From the guest:

============ ======================================================================
READY        version of the protocol (4), the answer to HELLO: it waits for channels
OPENED       the program runs; so much input may be sent (4)
FAILED       it does not (1): 1 no place, 2 no terminal, 3 no process, 4 no account
OUTPUT       at most 32 KiB, within the window
ERROR_OUTPUT the same of standard error
NO_OUTPUT    no more output will come
TAKEN        input taken (4), told in steps of 16 KiB or more: so much more may be sent
EXITED       0 and the status, or 1 and the number of the signal (1 + 1)
CLOSED       the channel's number is free
HALTED       every process but the first has ended
============ ======================================================================

The guest is in an attacker's hands: whatever `Decoder` returns has a known type and a
payload of the right size, and everything else is a ProtocolError.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hermes.errors import ProtocolError
from hermes.guest import ChannelRequest

VERSION: Final = 1
CHANNELS: Final = 128
LARGEST_OUTPUT: Final = 32 << 10
LARGEST_OPEN: Final = 192 << 10
INPUT_WINDOW: Final = 64 << 10

_HEADER: Final = struct.Struct(">BxHI")
_OPEN: Final = struct.Struct(">IBHH")
_NUMBER: Final = struct.Struct(">I")
_TERMINAL: Final = 1
_COMMAND: Final = 2
_PAIR: Final = struct.Struct(">HH")


class ToGuest(IntEnum):
    """Types of frames that Hermes sends."""

    HELLO = 1
    OPEN = 2
    DATA = 3
    END = 4
    WINDOW = 5
    RESIZE = 6
    SIGNAL = 7
    CLOSE = 8
    HALT = 9


class FromGuest(IntEnum):
    """Types of frames that the guest sends."""

    READY = 16
    OPENED = 17
    FAILED = 18
    OUTPUT = 19
    ERROR_OUTPUT = 20
    NO_OUTPUT = 21
    TAKEN = 22
    EXITED = 23
    CLOSED = 24
    HALTED = 25


_SIZES: Final = {
    FromGuest.READY: (4, 4),
    FromGuest.OPENED: (4, 4),
    FromGuest.FAILED: (1, 1),
    FromGuest.OUTPUT: (1, LARGEST_OUTPUT),
    FromGuest.ERROR_OUTPUT: (1, LARGEST_OUTPUT),
    FromGuest.NO_OUTPUT: (0, 0),
    FromGuest.TAKEN: (4, 4),
    FromGuest.EXITED: (2, 2),
    FromGuest.CLOSED: (0, 0),
    FromGuest.HALTED: (0, 0),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the guest, checked for type and size."""

    type: FromGuest
    channel: int
    payload: bytes

    @property
    def number(self) -> int:
        """The payload of READY, OPENED and TAKEN."""
        return int.from_bytes(self.payload, "big")


class Decoder:
    """Cuts a stream into frames; after a ProtocolError it must not be used again."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Frame]:
        """Yield the frames that ``data`` completes; raises ProtocolError.

        All must be taken before ``data`` may change.
        """
        rest, self._rest = self._rest, b""
        view = memoryview(rest + data if rest else data)
        place, end = 0, len(view)
        try:
            while end - place >= _HEADER.size:
                kind, channel, size = _HEADER.unpack_from(view, place)
                type_ = _checked(kind, channel, size)
                start = place + _HEADER.size
                if end - start < size:
                    return
                place = start + size
                yield Frame(type_, channel, bytes(view[start:place]))
        finally:
            self._rest = bytes(view[place:])


def frame(type_: ToGuest, channel: int = 0, payload: bytes = b"") -> bytes:
    """Encode one frame."""
    return _HEADER.pack(type_, channel, len(payload)) + payload


def number_frame(type_: ToGuest, channel: int, number: int) -> bytes:
    """Encode HELLO or WINDOW."""
    return frame(type_, channel, _NUMBER.pack(number))


def resize_frame(channel: int, columns: int, rows: int) -> bytes:
    """Encode RESIZE."""
    return frame(ToGuest.RESIZE, channel, _PAIR.pack(columns, rows))


def open_frame(channel: int, window: int, request: ChannelRequest) -> bytes:
    """Encode OPEN; ProtocolError when the request is larger than a guest takes."""
    screen = request.screen
    size = (screen.columns, screen.rows) if screen else (0, 0)
    kind = screen.kind if screen else ""
    variables = (f"{name}={value}" for name, value in request.environment.items())
    texts = (request.user, request.command or "", kind, request.source, *variables)
    flags = (_TERMINAL if screen else 0) | (_COMMAND if request.command is not None else 0)
    payload = _OPEN.pack(window, flags, *size) + b"".join(map(_text, texts))
    if len(payload) > LARGEST_OPEN:
        raise ProtocolError(f"a request of {len(payload)} bytes is larger than a guest takes")
    return frame(ToGuest.OPEN, channel, payload)


def _text(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-8", "surrogateescape") + b"\0"


def _checked(kind: int, channel: int, size: int) -> FromGuest:
    try:
        type_ = FromGuest(kind)
    except ValueError:
        raise ProtocolError(f"a guest sent a frame of type {kind}") from None
    least, most = _SIZES[type_]
    if not least <= size <= most or channel >= CHANNELS:
        raise ProtocolError(f"a guest sent {type_.name} of {size} bytes for channel {channel}")
    return type_
