"""Whether this user's processes can be limited, by cgroup version 2 (cgroups(7))."""

from pathlib import Path
from typing import Final

from hermes.doctor.check import Check, ok, warn

ROOT: Final = Path("/")
_WANTED: Final = ("cpu", "memory", "pids")
_UNIFY: Final = (
    "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line, and reboot; until then "
    "listen on loopback only"
)
_DELEGATE: Final = (
    "write [Service] and Delegate=cpu memory pids into "
    "/etc/systemd/system/user@.service.d/delegate.conf, run systemctl daemon-reload, and reboot"
)

_NO_SYSTEMD: Final = (
    "run hermes where systemd delegates these controllers to users; until then listen on loopback "
    "only"
)


def cgroups(uid: int, root: Path = ROOT) -> Check:
    """Judge by the file system that ``root`` is the root of."""
    mounted = root / "sys/fs/cgroup"
    if not (mounted / "cgroup.controllers").exists():
        kind = "hybrid" if (mounted / "unified").is_dir() else "of version 1, or not mounted"
        return warn("cgroups", f"cgroups are {kind}, so limits are not enforced", _UNIFY)
    offered = _controllers(_delegated(uid, root))
    lacking = [name for name in _WANTED if name not in offered]
    if lacking:
        return warn(
            "cgroups",
            f"not delegated to this user, so limits are not enforced: {', '.join(lacking)}",
            _DELEGATE if (root / "run/systemd/system").is_dir() else _NO_SYSTEMD,
        )
    return ok("cgroups", f"version 2, with {', '.join(_WANTED)} delegated")


def _delegated(uid: int, root: Path) -> Path:
    """Where podman makes its groups: in the user's own service, or without one in our group."""
    mounted = root / "sys/fs/cgroup"
    service = mounted / f"user.slice/user-{uid}.slice/user@{uid}.service"
    return service if service.is_dir() else mounted / _own_group(root).lstrip("/")


def _own_group(root: Path) -> str:
    lines = _read(root / "proc/self/cgroup").splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def _controllers(group: Path) -> list[str]:
    return _read(group / "cgroup.controllers").split()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
