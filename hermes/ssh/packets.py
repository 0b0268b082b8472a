"""How one connection's packets leave: each message in one, as sshd sends it, and at little cost.

asyncssh puts an empty IGNORE before every encrypted message, to hide the state of ciphers in
CBC mode. sshd does not, so that it tells the two apart, and it doubles the packets of output.
What asyncssh does for a packet of any kind costs more than to encrypt 32 KiB: a channel's data
takes a shorter way here. That leans on attributes of asyncssh's own, of the release that
pyproject.toml names.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from time import monotonic
from typing import Final

from asyncssh.connection import SSHConnection
from asyncssh.packet import SSHPacketLogger

_IGNORE: Final = 2  # RFC 4253, 11.2
_DATA: Final = 94  # RFC 4254, 5.2
_LEAST_PADDING: Final = 4  # RFC 4253, 6
_SEQUENCE: Final = 0xFFFFFFFF


class Packets:
    """Sends in place of ``connection``, from its first encrypted packet to its last."""

    def __init__(self, connection: SSHConnection) -> None:
        self._connection = connection
        self._send_any = connection.send_packet
        self._transmit_now = connection._send  # noqa: SLF001 - asyncssh has no other place
        self._held: list[bytes] | None = None
        self.writable = asyncio.Event()
        """Clear while the client takes less than is sent; his windows bound nothing."""
        self.writable.set()
        connection.pause_writing = self.writable.clear  # type: ignore[method-assign]
        connection.resume_writing = self.writable.set  # type: ignore[method-assign]
        connection.send_packet = self._send  # type: ignore[method-assign]
        connection._send = self._transmit  # type: ignore[method-assign]  # noqa: SLF001

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """Let what is sent in this context, which never waits, leave in one piece."""
        held = self._held = []
        try:
            yield
        finally:
            self._held = None
            if held:
                self._transmit_now(b"".join(held))

    def _transmit(self, data: bytes) -> None:
        if self._held is None:
            self._transmit_now(data)
        else:
            self._held.append(data)

    def _send(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        if pkttype == _DATA and self._is_short_way_open():
            self._send_data(b"".join(args))
        elif pkttype != _IGNORE:
            self._send_any(pkttype, *args, handler=handler)

    def _is_short_way_open(self) -> bool:
        """Whether no keys are exchanged or due, and nothing is compressed."""
        its = self._connection
        return bool(
            its._kex_complete  # noqa: SLF001
            and its._send_encryption  # noqa: SLF001
            and its._compressor is None  # noqa: SLF001
            and its._rekey_bytes_sent < its._rekey_bytes  # noqa: SLF001
            and not (its._rekey_seconds and monotonic() >= its._rekey_time)  # noqa: SLF001
        )

    def _send_data(self, body: bytes) -> None:
        its = self._connection
        block, sequence = its._send_blocksize, its._send_seq  # noqa: SLF001
        padding = -(its._send_enchdrlen + 1 + len(body)) % block  # noqa: SLF001
        if padding < _LEAST_PADDING:
            padding += block
        packet = b"".join((bytes((padding, _DATA)), body, os.urandom(padding)))
        size = len(packet)
        assert its._send_encryption is not None  # noqa: S101, SLF001 - the way is open
        sealed, mac = its._send_encryption.encrypt_packet(  # noqa: SLF001
            sequence, size.to_bytes(4, "big"), packet
        )
        self._transmit(sealed + mac)
        its._send_seq = (sequence + 1) & _SEQUENCE  # noqa: SLF001
        its._rekey_bytes_sent += size  # noqa: SLF001
