"""The PROXY protocol's header, in both versions."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import ProxyHeaderError
from hermes.ssh.proxy_header import MOST_BYTES, Header, read_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SOURCE, DESTINATION = ("198.51.100.7", 40000), ("192.0.2.1", 22)
SOURCE6, DESTINATION6 = ("2001:db8::7", 40000), ("2001:db8::1", 22)


def binary(command: int, kind: int, body: bytes) -> bytes:
    """Compose a header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


def addresses(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """Compose the addresses of version 2."""
    packed = [ipaddress.ip_address(host).packed for host, _port in (source, destination)]
    return b"".join(packed) + struct.pack("!HH", source[1], destination[1])


TCP4, TCP6 = addresses(SOURCE, DESTINATION), addresses(SOURCE6, DESTINATION6)
TLV = b"\x04\x00\x03\x00\x00\x00"


@pytest.mark.parametrize(
    ("data", "source", "destination"),
    [
        (b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 22\r\n", SOURCE, DESTINATION),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 22\r\n", SOURCE6, DESTINATION6),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None, None),
        (binary(0x21, 0x11, TCP4), SOURCE, DESTINATION),
        (binary(0x21, 0x21, TCP6), SOURCE6, DESTINATION6),
        (binary(0x21, 0x11, TCP4 + TLV), SOURCE, DESTINATION),
        (binary(0x20, 0x11, TCP4), None, None),
        (binary(0x20, 0x00, b""), None, None),
        (binary(0x21, 0x00, TLV), None, None),
        (binary(0x21, 0x31, bytes(216)), None, None),
        (binary(0x21, 0x11, TCP4 + bytes(MOST_BYTES - 28)), SOURCE, DESTINATION),
    ],
)
def test_a_header_is_read_whole_and_no_further(
    data: bytes, source: tuple[str, int] | None, destination: tuple[str, int] | None
) -> None:
    """Every beginning of it wants more, and what follows is not its own."""
    header = Header(len(data), source, destination)
    assert read_header(data) == read_header(data + b"SSH-2.0-x\r\n") == header
    assert all(read_header(data[:size]) is None for size in range(len(data)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "begins with something else"),
        (b"PROXYTCP4", "begins with something else"),
        (b"\r\n\r\n\0\r\nQUIT\r", "begins with something else"),
        (b"PROXY TCP4 198.51.100.7 192.0.2.1 40000\r\n", "malformed"),
        (b"PROXY TCP4  198.51.100.7 192.0.2.1 40000 22\r\n", "malformed"),
        (b"PROXY TCP4 198.51.100.7 192.0.2.1 040000 22\r\n", "malformed"),
        ("PROXY TCP4 198.51.100.7 192.0.2.1 40000 \u0662\r\n".encode(), "malformed"),
        (b"PROXY TCP4 198.51.100.700 192.0.2.1 40000 22\r\n", "malformed address"),
        (b"PROXY TCP4 2001:db8::7 192.0.2.1 40000 22\r\n", "another kind"),
        (b"PROXY TCP4 198.51.100.7 192.0.2.1 65536 22\r\n", "another kind"),
        (b"PROXY UNKNOWN2\r\n", "malformed"),
        (b"PROXY UNKNOWN " + b"x" * 93, "longer than 107 bytes"),
        (binary(0x11, 0x11, TCP4), "version or command"),
        (binary(0x22, 0x11, TCP4), "version or command"),
        (binary(0x21, 0x41, TCP4), "kind of address"),
        (binary(0x21, 0x13, TCP4), "kind of address"),
        (binary(0x21, 0x11, TCP4[:-1]), "cut short"),
        (binary(0x21, 0x21, TCP4), "cut short"),
        (binary(0x21, 0x11, bytes(MOST_BYTES - 15)), "longer than 536 bytes"),
    ],
)
def test_what_is_no_header_is_refused(data: bytes, words: str) -> None:
    """The reason says what is wrong, and repeats nothing of it."""
    with pytest.raises(ProxyHeaderError, match=words):
        read_header(data)


@given(
    st.one_of(
        st.binary(max_size=600),
        st.binary(max_size=200).map(lambda rest: b"PROXY " + rest),
        st.binary(max_size=600).map(lambda rest: SIGNATURE + rest),
        st.text("TCP46 .:0123456789abfUNKOW\r\n", max_size=120).map(
            lambda rest: b"PROXY TCP4 " + rest.encode()
        ),
    )
)
def test_any_bytes_are_a_header_or_refused_in_bounds(data: bytes) -> None:
    """Nothing else is raised, addresses are real ones, and no more than the bound is asked for."""
    try:
        header = read_header(data)
    except ProxyHeaderError:
        return
    if header is None:
        assert len(data) < MOST_BYTES
        return
    assert header.size <= min(len(data), MOST_BYTES)
    for address in (header.source, header.destination):
        if address is not None:
            ipaddress.ip_address(address[0])
            assert 0 <= address[1] <= 65535
