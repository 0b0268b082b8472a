"""One SSH packet for each message, as sshd sends it.

asyncssh puts an empty IGNORE before every encrypted message, to hide the state of ciphers in
CBC mode. sshd does not, so that it tells the two apart, and it doubles the packets of output.
"""

from typing import Final

from asyncssh.connection import SSHConnection
from asyncssh.packet import SSHPacketLogger

_IGNORE: Final = 2  # RFC 4253, 11.2


def send_unpadded(connection: SSHConnection) -> None:
    """Leave out what means nothing, from now on; idempotent."""
    if "send_packet" in vars(connection):
        return
    send = connection.send_packet

    def send_packet(pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        if pkttype != _IGNORE:
            send(pkttype, *args, handler=handler)

    connection.send_packet = send_packet  # type: ignore[method-assign]
