"""Whether the kernel enforces what a sandbox's specification claims, read from its cgroup."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_CGROUPS: Final = Path("/sys/fs/cgroup")
_SWAP: Final = "memory.swap.max"


def differences(pid: int, limits: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name the files of cgroup v2 that do not say what ``limits`` (OCI resources) claim.

    Each with what was expected and what it says; empty when there is no such file.
    """
    group = _group_of(pid)
    # crun puts a container's processes into a child of the group that has the limits.
    places = (group, group.parent) if group else ()
    wanted = _expected(limits)
    return [(name, wanted[name], _said(name, places)) for name in differing(places, limits)]


def differing(places: Sequence[Path], limits: dict[str, Any]) -> list[str]:
    """Name the files that say what ``limits`` claim in none of the directories ``places``."""
    return [
        name
        for name, text in _expected(limits).items()
        if all(_read(place / name) != text for place in places)
        # A kernel that does not account for swap has no file to hold a limit of it.
        and (name != _SWAP or any((place / name).exists() for place in places))
    ]


def _said(name: str, places: Sequence[Path]) -> str:
    return next((text for place in places if (text := _read(place / name))), "")


def _expected(limits: dict[str, Any]) -> dict[str, str]:
    return {
        "cpu.max": f"{limits['cpu']['quota']} {limits['cpu']['period']}",
        "memory.max": str(limits["memory"]["limit"]),
        # OCI counts memory and swap together, the kernel swap alone.
        _SWAP: str(limits["memory"]["swap"] - limits["memory"]["limit"]),
        "pids.max": str(limits["pids"]["limit"]),
    }


def _group_of(pid: int) -> Path | None:
    """Find the cgroup v2 of a process, by the ``0::`` line of cgroups(7)."""
    for line in _read(Path(f"/proc/{pid}/cgroup")).splitlines():
        hierarchy, _, path = line.split(":", 2)
        if hierarchy == "0":
            return _CGROUPS / path.lstrip("/")
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
