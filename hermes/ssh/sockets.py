"""The sockets to listen on, bound before anything slow starts."""

import ipaddress
import socket
from collections.abc import Sequence

from hermes.errors import ListenError


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Bind every address, not listening yet; the caller closes them.

    Raises ListenError naming the address.
    """
    bound: list[socket.socket] = []
    try:
        for host in hosts:
            bound += [_bind(*found) for found in _resolve(host, port)]
    except (OSError, OverflowError) as error:
        for one in bound:
            one.close()
        raise ListenError(
            f"{host}:{port} cannot be listened on ({getattr(error, 'strerror', None) or error}); "
            "set HERMES_SSH__HOST and HERMES_SSH__PORT"
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Name a socket as ``HOST:PORT``."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unmapped(host: str) -> str:
    """Name an IPv4 peer as such, also on a socket that serves IPv6 as well."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return host


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    flags = socket.AI_PASSIVE
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _type, _protocol, _name, address in found]


def _bind(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
