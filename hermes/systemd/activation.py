"""The sockets that systemd listens on for the service: sd_listen_fds(3).

https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
"""

import os
import socket
import stat
from collections.abc import MutableMapping, Sequence
from typing import Final

from hermes.errors import SettingsError

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_MPTCP: Final = 262  # SocketProtocol=mptcp; Python has no name for it
_PROTOCOLS: Final = (socket.IPPROTO_TCP, _MPTCP)


def take_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Take over what was passed to this process, so that its children inherit nothing.

    The caller closes them. Raises SettingsError for what no SSH server can listen on.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    environment.pop("LISTEN_PIDFDID", None)
    # podman says 1 also in a container that shares the host's process numbers.
    if pid not in (str(os.getpid()), "1") or not count.isdecimal():
        return []
    descriptors = range(_FIRST, _FIRST + int(count))
    try:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
    except OSError as error:
        raise SettingsError(
            f"LISTEN_FDS is {count}, but descriptor {descriptor} is not open; "
            "start hermes by its socket unit, or without LISTEN_FDS"
        ) from error
    return _sockets(descriptors, names)


def _sockets(descriptors: Sequence[int], names: Sequence[str]) -> list[socket.socket]:
    taken: list[socket.socket] = []
    for descriptor, name in zip(descriptors, [*names, *[""] * len(descriptors)], strict=False):
        if wrong := _wrong(descriptor):
            for one in taken:
                one.close()
            called = f" ({name})" if name else ""
            raise SettingsError(
                f"descriptor {descriptor}{called}, passed by systemd, {wrong}; "
                "the socket unit should have ListenStream= with a TCP port, and Accept=no"
            )
        taken.append(socket.socket(fileno=descriptor))
    return taken


def _wrong(descriptor: int) -> str:
    """Say what is wrong with it; nothing for a TCP socket that listens."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return "is no socket"
    with socket.socket(fileno=os.dup(descriptor)) as looked_at:
        if looked_at.family not in _FAMILIES:
            return "is no internet socket"
        if looked_at.type != socket.SOCK_STREAM or looked_at.proto not in _PROTOCOLS:
            return "is no TCP socket"
        if not looked_at.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return "does not listen"
    return ""
