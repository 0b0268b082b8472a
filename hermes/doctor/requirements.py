"""What the host must offer before anything starts, each failure with its fix."""

import getpass
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hermes.doctor.check import Check, Status, fail, ok
from hermes.errors import HostError

_SUBID_FILES: Final = (Path("/etc/subuid"), Path("/etc/subgid"))
_WHOLE_SYSTEM: Final = 65_536


def check_host(*, own_podman: bool) -> None:
    """Refuse root and, for a podman of our own, a user without enough sub-ids; raises HostError.

    A podman that is somebody else's service tells by itself how many it has.
    """
    _require(user(os.geteuid()))
    if own_podman:
        check_subids(getpass.getuser(), os.getuid())


def check_subids(name: str, uid: int, files: Sequence[Path] = _SUBID_FILES) -> None:
    """Raise HostError unless each file (subuid(5)) gives the user one range for a whole system."""
    _require(subids(name, uid, files))


def check_reach(hosts: Sequence[str], *, limits_enforced: bool, require_limits: bool) -> None:
    """Refuse to be reachable from outside while limits do not hold; raises HostError."""
    _require(reach(hosts, limits_enforced=limits_enforced, require_limits=require_limits))


def user(uid: int) -> Check:
    """Root inside a sandbox must be nobody outside."""
    if uid == 0:
        return fail(
            "user",
            "hermes does not run as root",
            "run scripts/up, which makes a user for it, or start it as an ordinary user",
        )
    return ok("user", f"not root (uid {uid})")


def subids(name: str, uid: int, files: Sequence[Path] = _SUBID_FILES) -> Check:
    """A sandbox has as many users as a system may have."""
    lacking = [str(path) for path in files if not _has_range(path, name, uid)]
    if lacking:
        return fail(
            "sub-ids",
            f"{name} has no range of {_WHOLE_SYSTEM} ids in {' and '.join(lacking)}",
            f"run as root: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {name}",
        )
    return ok("sub-ids", f"{name} has a range of {_WHOLE_SYSTEM} ids")


def reach(hosts: Sequence[str], *, limits_enforced: bool, require_limits: bool) -> Check:
    """Strangers may only come where limits hold, or where the operator insists."""
    outside = [host for host in hosts if not _is_loopback(host)]
    if outside and require_limits and not limits_enforced:
        return fail(
            "reach",
            "limits on memory, CPU and processes are not enforced on this host, so hermes does "
            f"not listen on {outside[0]}",
            "delegate cgroup v2 controllers to this user, or set "
            "HERMES_SANDBOX__REQUIRE_LIMITS=false",
        )
    return ok("reach", f"listening on {', '.join(hosts)} is allowed")


def _require(check: Check) -> None:
    if check.status is Status.FAIL:
        raise HostError(f"{check.found}; {check.fix}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # any other name may be any address


def _has_range(path: Path, name: str, uid: int) -> bool:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return False
    return any(_is_whole(line, (name, str(uid))) for line in lines)


def _is_whole(line: str, owners: Sequence[str]) -> bool:
    owner, _, rest = line.partition(":")
    count = rest.rpartition(":")[2]
    return owner in owners and count.isdecimal() and int(count) >= _WHOLE_SYSTEM
