"""What an operator has to know or do beyond the units, one line each."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hermes.deployment.places import Places
from hermes.settings import Settings

SSH_PORT: Final = 22
_FIRST_FREE: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def advice(settings: Settings, places: Places) -> Iterator[str]:
    """Yield lines about who reaches it, port 22 and the firewall."""
    outside = [host for host in settings.ssh.host if not _is_loopback(host)]
    yield (
        f"logs: journalctl --user --unit hermes.service; numbers: hermes pool status; "
        f"all of it as {places.user}"
    )
    if not outside:
        yield "only this machine reaches it: set HERMES_SSH__HOST, then install again"
    if settings.ssh.port != SSH_PORT:
        yield from _port_22(settings.ssh.port)
    if outside:
        yield (
            f"firewall: let TCP port {settings.ssh.port} in (ufw allow {settings.ssh.port}/tcp, or "
            f"firewall-cmd --permanent --add-port={settings.ssh.port}/tcp), and keep "
            f"{places.user}'s own packets from leaving the machine"
        )


def _port_22(port: int) -> Iterator[str]:
    yield (
        "port 22, once the real sshd has moved: as root, "
        "echo net.ipv4.ip_unprivileged_port_start=22 > /etc/sysctl.d/60-hermes-port.conf && "
        "sysctl --system, then HERMES_SSH__PORT=22 and install again"
    )
    yield (
        f"or a redirection: nft add rule ... tcp dport 22 redirect to :{port}, "
        "and HERMES_SSH__PUBLIC_PORT=22"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
