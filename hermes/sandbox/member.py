"""A sandbox that a unit of systemd made: judged from outside, before a visitor has it.

The files are those of proc(5) and user_namespaces(7).
"""

import os
from pathlib import Path
from typing import Final

from hermes.errors import HostError
from hermes.settings import SandboxSettings

# include/uapi/linux/capability.h
_CAPABILITIES: Final = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "DAC_READ_SEARCH": 2,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "SYS_PTRACE": 19,
    "SYS_NICE": 23,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}
_SECCOMP_FILTER: Final = "2"


def check_member(pid: int, settings: SandboxSettings, proc: Path = Path("/proc")) -> None:
    """Raise HostError, naming the claim, unless it is as shut in as our own sandboxes."""
    process = proc / str(pid)
    try:
        wrong = next(iter(_shortcomings(process, settings)), None)
    except OSError as error:
        raise HostError(f"a unit's sandbox ended before it was looked at: {error}") from error
    if wrong is not None:
        raise HostError(
            f"a unit's sandbox is not shut in ({wrong}); "
            "generate the units again: hermes quadlet install"
        )


def _shortcomings(process: Path, settings: SandboxSettings) -> list[str]:
    lines = (process / "status").read_text().splitlines()
    status = {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}
    found = []
    if status["NoNewPrivs"] != "1":
        found.append("its programs may gain privileges")
    if status["Seccomp"] != _SECCOMP_FILTER:
        found.append("no seccomp filter judges its system calls")
    if int(status["CapBnd"], 16) & ~_mask(settings.capabilities):
        found.append(f"its capabilities are {status['CapBnd']}")
    if (process / "uid_map").read_text().split()[1] == str(os.getuid()):  # as seen from here
        found.append("its root is the service's user")
    if interfaces := _interfaces((process / "net/dev").read_text()) - {"lo"}:
        found.append(f"it has the network interface {min(interfaces)}")
    return found


def _mask(names: tuple[str, ...]) -> int:
    return sum(1 << _CAPABILITIES[name] for name in names if name in _CAPABILITIES)


def _interfaces(text: str) -> set[str]:
    return {line.partition(":")[0].strip() for line in text.splitlines() if ":" in line}
