"""Whether the addresses to listen on are free, and who has them if not."""

import errno
import pwd
import socket
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from hermes.doctor.check import Check, fail, ok

_LISTENING: Final = "0A"
_TABLES: Final = ("net/tcp", "net/tcp6")


def port(hosts: Sequence[str], number: int, ours: Sequence[str]) -> Check:
    """Judge by binding for a moment; ``ours`` are the addresses of the running service."""
    if ours:
        return ok("port", f"the running hermes listens on {', '.join(ours)}")
    for host in hosts:
        try:
            _bind_once(host, number)
        except OSError as error:
            return _trouble(f"{host}:{number}", number, error)
    return ok("port", f"{number} is free" if number else "any free one is taken")


def _bind_once(host: str, number: int) -> None:
    found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, _type, _protocol, _name, address in found:
        with socket.socket(family, socket.SOCK_STREAM) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind(address)


def _trouble(address: str, number: int, error: OSError) -> Check:
    if error.errno == errno.EADDRINUSE:
        who = ", ".join(sorted(set(_holders(number)))) or "somebody"
        fix = "stop that, or set HERMES_SSH__PORT to another port"
        return fail("port", f"{address} is taken by {who}", fix)
    if error.errno == errno.EACCES:
        fix = (
            f"echo net.ipv4.ip_unprivileged_port_start={number} | "
            "sudo tee /etc/sysctl.d/60-hermes-port.conf && sudo sysctl --system"
        )
        return fail("port", f"{address} is for root alone", fix)
    found = f"{address} cannot be listened on: {error.strerror}"
    return fail("port", found, "set HERMES_SSH__HOST to an address that 'ip address' shows")


def _holders(number: int, proc: Path = Path("/proc")) -> Iterator[str]:
    names = {f"socket:[{inode}]": uid for uid, inode in holders(_lines(proc), number)}
    programs = {link: name for link, name in _sockets(proc) if link in names}
    for link, uid in names.items():
        yield f"{programs[link]} of {_user(uid)}" if link in programs else f"user {_user(uid)}"


def holders(lines: Iterable[str], number: int) -> Iterator[tuple[int, str]]:
    """Yield user and inode of each listener on a port, of lines of ``/proc/net/tcp``."""
    for line in lines:
        match line.split():
            case [_, local, _, state, _, _, _, uid, _, inode, *_] if state == _LISTENING:
                if int(local.rpartition(":")[2], 16) == number:
                    yield int(uid), inode


def _lines(proc: Path) -> Iterator[str]:
    for table in _TABLES:
        if (proc / table).exists():
            yield from (proc / table).read_text().splitlines()


def _sockets(proc: Path) -> Iterator[tuple[str, str]]:
    """Yield the sockets of the processes that may be looked into, with the programs' names."""
    for descriptor in proc.glob("[0-9]*/fd/*"):
        try:
            yield str(descriptor.readlink()), (descriptor.parents[1] / "comm").read_text().strip()
        except OSError:  # another user's, or it has just ended
            continue


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a number that no user has
        return str(uid)
