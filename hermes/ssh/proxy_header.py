"""The header by which a proxy tells whose connection it passes on: PROXY protocol 1 and 2. Pure.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
"""

import ipaddress
import re
import struct
from dataclasses import dataclass
from typing import Final

from hermes.errors import ProxyHeaderError

MOST_BYTES: Final = 536  # what fits into one segment of any network, 2.2
_TEXT: Final = b"PROXY "
_MOST_TEXT_BYTES: Final = 107
_TEXT_FIELDS: Final = re.compile(
    r"PROXY TCP(?P<family>[46]) (?P<source>[0-9a-fA-F:.]+) (?P<destination>[0-9a-fA-F:.]+) "
    r"(?P<source_port>0|[1-9][0-9]{0,4}) (?P<destination_port>0|[1-9][0-9]{0,4})"
)
_LARGEST_PORT: Final = 65535
_BINARY: Final = b"\r\n\r\n\0\r\nQUIT\n"
_BINARY_BYTES: Final = 16
_VERSION: Final = 2
_LOCAL, _PROXY = 0, 1
_KNOWN_FAMILIES: Final = range(4)
_KNOWN_TRANSPORTS: Final = range(3)
_ADDRESSES: Final = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}
"""Where the addresses are, by family and transport: TCP over IPv4, and over IPv6."""

Address = tuple[str, int]


@dataclass(frozen=True)
class Header:
    """A whole header of ``size`` bytes; without addresses, those of the connection itself hold."""

    size: int
    source: Address | None = None
    destination: Address | None = None


def read_header(data: bytes) -> Header | None:
    """Read what a connection begins with; None when more is wanted.

    Raises ProxyHeaderError as soon as it cannot become a header.
    """
    if data.startswith(_TEXT[: len(data)]):
        return _read_text(data)
    if data.startswith(_BINARY[: len(data)]):
        return _read_binary(data)
    raise ProxyHeaderError("it begins with something else")


def _read_text(data: bytes) -> Header | None:
    line, end, _rest = data[:_MOST_TEXT_BYTES].partition(b"\r\n")
    if not end:
        if len(data) >= _MOST_TEXT_BYTES:
            raise ProxyHeaderError(f"its line is longer than {_MOST_TEXT_BYTES} bytes")
        return None
    size = len(line) + len(end)
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return Header(size)
    fields = _TEXT_FIELDS.fullmatch(line.decode("ascii", "replace"))
    if fields is None:
        raise ProxyHeaderError("its line is malformed")
    return Header(
        size,
        _text_address(fields["family"], fields["source"], fields["source_port"]),
        _text_address(fields["family"], fields["destination"], fields["destination_port"]),
    )


def _text_address(family: str, host: str, port: str) -> Address:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise ProxyHeaderError("its line has a malformed address") from error
    if str(address.version) != family or int(port) > _LARGEST_PORT:
        raise ProxyHeaderError("its line has an address of another kind")
    return str(address), int(port)


def _read_binary(data: bytes) -> Header | None:
    if len(data) < _BINARY_BYTES:
        return None
    command, kind, length = struct.unpack_from("!BBH", data, len(_BINARY))
    size = _BINARY_BYTES + length
    if command >> 4 != _VERSION or command & 0xF not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("its version or command is unknown")
    if kind >> 4 not in _KNOWN_FAMILIES or kind & 0xF not in _KNOWN_TRANSPORTS:
        raise ProxyHeaderError("its kind of address is unknown")
    if size > MOST_BYTES:
        raise ProxyHeaderError(f"it is longer than {MOST_BYTES} bytes")
    layout = _ADDRESSES.get(kind) if command & 0xF == _PROXY else None
    if layout is not None and length < layout.size:
        raise ProxyHeaderError("its addresses are cut short")
    if len(data) < size:
        return None
    if layout is None:
        return Header(size)
    source, destination, source_port, destination_port = layout.unpack_from(data, _BINARY_BYTES)
    return Header(
        size,
        (str(ipaddress.ip_address(source)), source_port),
        (str(ipaddress.ip_address(destination)), destination_port),
    )
