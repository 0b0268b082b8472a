"""Whether a sandbox is what its specification says, as seen from inside and from its cgroup.

Inside it takes a shell, ``cat``, ``env`` and ``tr``, which every Linux has. It is read
before any visitor comes: later it would say what he wants it to say.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes.sandbox.limits import differences
from hermes.sandbox.spec import resource_limits
from hermes.settings import SandboxSettings

Run = Callable[[str], Awaitable[str]]

_MARK: Final = "=== "
_FILES: Final = ("status", "net/dev", "net/route", "net/ipv6_route")
COMMAND: Final = "; ".join(
    [
        *(f"echo '{_MARK}{name}'; cat /proc/self/{name} 2>/dev/null" for name in _FILES),
        f"echo '{_MARK}environment'; env; cat /proc/1/environ 2>/dev/null | tr '\\0' '\\n'",
        f"echo '{_MARK}marks'",
        *(f"[ -e {path} ] && echo {path}" for path in ("/run/.containerenv", "/.dockerenv")),
        # Where the tool is missing nothing can be said, and nothing is.
        f"echo '{_MARK}namespace'; unshare -U echo made 2>/dev/null",
        "true",
    ]
)
_CAPABILITIES: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
_WHOLE: Final = "0 0 4294967295"
_IPV4_HEADER: Final = "Iface"


@dataclass(frozen=True)
class Finding:
    """A claim that does not hold."""

    claim: str
    expected: str
    found: str
    is_limit: bool = False
    """Whether the host may lack it, which bars it from being reachable but not from running."""


async def probe(
    run: Run, pid: int, settings: SandboxSettings, interfaces: frozenset[str] = frozenset({"lo"})
) -> tuple[Finding, ...]:
    """Compare a sandbox with its settings; empty when everything holds.

    ``run`` runs a shell command inside as root and returns its output, ``pid`` is the host's id
    of the first process. Raises what ``run`` raises.
    """
    inside = sections(await run(COMMAND))
    outside = await asyncio.to_thread(_outside, pid, settings)
    return (*judge(inside, settings.capabilities, interfaces), *outside)


def sections(text: str) -> dict[str, str]:
    """Split what `COMMAND` printed at its marks."""
    parts = (part.partition("\n") for part in f"\n{text}".split(f"\n{_MARK}")[1:])
    return {name.strip(): body for name, _, body in parts}


def judge(
    inside: Mapping[str, str], capabilities: Iterable[str], interfaces: frozenset[str]
) -> tuple[Finding, ...]:
    """Name every claim that what was read inside does not bear out."""
    expected = dict(_claims(capabilities, interfaces))
    found = _facts(inside)
    return tuple(
        Finding(claim, value, found[claim])
        for claim, value in expected.items()
        if found[claim] != value
    )


def covered(id_map: str, number: int, own_map: str = _WHOLE) -> bool:
    """Whether a map of user_namespaces(7) gives the id to anybody.

    The kernel writes where a range begins as whoever reads it counts. What follows is in order
    only outside of a namespace that the reader may have for himself, whose map is ``own_map``.
    """
    own_rows, number_outside = _rows(own_map), _outside_of(_rows(own_map), number)
    starts = ((_outside_of(own_rows, start), size) for _, start, size in _rows(id_map))
    return any(start <= number_outside < start + size for start, size in starts)


def _rows(id_map: str) -> list[tuple[int, int, int]]:
    rows = (line.split() for line in id_map.splitlines())
    return [(int(inside), int(outside), int(size)) for inside, outside, size in rows]


def _outside_of(rows: Iterable[tuple[int, int, int]], number: int) -> int:
    """Translate an id; one that the namespace does not know stays what it is written as."""
    for inside, outside, size in rows:
        if inside <= number < inside + size:
            return number - inside + outside
    return number


def capability_mask(names: Iterable[str]) -> str:
    """Write capabilities as proc(5) does."""
    order = _CAPABILITIES.split()
    return f"{sum(1 << order.index(name) for name in names):016x}"


def _claims(capabilities: Iterable[str], interfaces: frozenset[str]) -> Iterator[tuple[str, str]]:
    mask = capability_mask(capabilities)
    yield from (("NoNewPrivs", "1"), ("Seccomp", "2"))
    yield from ((kind, mask) for kind in ("CapPrm", "CapEff", "CapBnd"))
    yield from (("interfaces", _listed(interfaces)), ("routes", "none"))
    yield from (("marks of a container", "none"), ("new user namespace", "none"))


def _facts(inside: Mapping[str, str]) -> dict[str, str]:
    lines = (line.partition(":") for line in inside.get("status", "").splitlines())
    status = {name: value.strip() for name, _, value in lines}
    named = ("NoNewPrivs", "Seccomp", "CapPrm", "CapEff", "CapBnd")
    return {
        **{name: status.get(name, "nothing") for name in named},
        "interfaces": _listed(_interfaces(inside.get("net/dev", ""))),
        "routes": _listed(_routes(inside)),
        "marks of a container": _listed(_marks(inside)),
        "new user namespace": _listed(inside.get("namespace", "").split()),
    }


def _interfaces(device_table: str) -> list[str]:
    return [line.split(":")[0].strip() for line in device_table.splitlines() if ":" in line]


def _routes(inside: Mapping[str, str]) -> set[str]:
    """Name the interfaces with routes; the kernel itself makes those of loopback."""
    ipv4 = {line.split()[0] for line in inside.get("net/route", "").splitlines() if line.split()}
    ipv6 = {line.split()[-1] for line in inside.get("net/ipv6_route", "").splitlines() if line}
    return (ipv4 | ipv6) - {_IPV4_HEADER, "lo"}


def _marks(inside: Mapping[str, str]) -> list[str]:
    environment = inside.get("environment", "").splitlines()
    return [
        *(line for line in environment if line.startswith("container=")),
        *inside.get("marks", "").split(),
    ]


def _outside(pid: int, settings: SandboxSettings) -> list[Finding]:
    limits = [
        Finding(name, expected, found or "nothing", is_limit=True)
        for name, expected, found in differences(pid, resource_limits(settings))
    ]
    maps = (("uid_map", os.getuid()), ("gid_map", os.getgid()))
    return [*(one for name, own in maps for one in _map_findings(pid, name, own)), *limits]


def _map_findings(pid: int, name: str, number: int) -> list[Finding]:
    expected = f"no id {number}"
    try:
        text = Path(f"/proc/{pid}/{name}").read_text()
        own_map = Path(f"/proc/self/{name}").read_text()
    except OSError as error:
        return [Finding(name, expected, str(error))]
    found = [Finding(name, expected, " ".join(text.split()))]
    return found if covered(text, number, own_map) else []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
