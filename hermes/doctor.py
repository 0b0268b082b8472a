"""What the host must offer before anything starts, each failure with its fix."""

import getpass
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hermes.errors import HostError

_SUBID_FILES: Final = (Path("/etc/subuid"), Path("/etc/subgid"))
_WHOLE_SYSTEM: Final = 65_536


def check_host() -> None:
    """Refuse root and a user without enough sub-ids; raises HostError."""
    if os.geteuid() == 0:
        raise HostError(
            "hermes does not run as root; run scripts/up, which makes a user for it, "
            "or start it as an ordinary user"
        )
    check_subids(getpass.getuser(), os.getuid())


def check_subids(user: str, uid: int, files: Sequence[Path] = _SUBID_FILES) -> None:
    """Raise HostError unless each file (subuid(5)) gives the user one range for a whole system."""
    for path in files:
        if not _has_range(path, user, uid):
            raise HostError(
                f"{user} has no range of {_WHOLE_SYSTEM} ids in {path}; run as root: "
                f"usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {user}"
            )


def check_reach(hosts: tuple[str, ...], *, limits_enforced: bool, require_limits: bool) -> None:
    """Refuse to be reachable from outside while limits do not hold; raises HostError."""
    outside = [host for host in hosts if not _is_loopback(host)]
    if outside and require_limits and not limits_enforced:
        raise HostError(
            f"limits on memory, CPU and processes are not enforced on this host, so hermes does "
            f"not listen on {outside[0]}; delegate cgroup v2 controllers to this user, or set "
            "HERMES_SANDBOX__REQUIRE_LIMITS=false"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # any other name may be any address


def _has_range(path: Path, user: str, uid: int) -> bool:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return False
    return any(_is_whole(line, (user, str(uid))) for line in lines)


def _is_whole(line: str, owners: Sequence[str]) -> bool:
    owner, _, rest = line.partition(":")
    count = rest.rpartition(":")[2]
    return owner in owners and count.isdecimal() and int(count) >= _WHOLE_SYSTEM
