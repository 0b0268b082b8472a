"""What else the host has or lacks: programs, lingering, a true clock, doors beside the network."""

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hermes.doctor.check import Check, fail, install, ok, warn
from hermes.errors import ImageError
from hermes.image import guest_init

_GIBIBYTE: Final = 1 << 30
_FAIL_BYTES: Final = _GIBIBYTE // 2
_WARN_BYTES: Final = 5 * _GIBIBYTE
_TIMEX_BYTES: Final = 512  # struct timex is smaller on every architecture
_UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)
_SECONDS: Final = 10.0


def id_mapping() -> Check:
    """Look for what writes the maps of a user namespace."""
    lacking = [name for name in ("newuidmap", "newgidmap") if shutil.which(name) is None]
    if lacking:
        found = f"{' and '.join(lacking)} not found"
        return fail("id mapping", found, install("uidmap", "shadow-utils"))
    return ok("id mapping", "newuidmap and newgidmap are there")


def compiler() -> Check:
    """Look for a C compiler, which makes the first process of every decoy."""
    try:
        guest_init.check_compiler()
    except ImageError:
        fix = install("gcc libc6-dev", "gcc glibc-static")
        return warn("compiler", "no C compiler, so no decoy can be built", fix)
    return ok("compiler", "there")


def lingering(user: str, root: Path = Path("/")) -> Check:
    """Judge whether systemd keeps the user's processes when he logs out."""
    if not (root / "run/systemd/system").is_dir():
        return ok("lingering", "systemd does not run, nothing ends with a login")
    if (root / "var/lib/systemd/linger" / user).exists():
        return ok("lingering", f"on for {user}")
    return warn(
        "lingering",
        f"sandboxes end when {user} logs out",
        f"sudo loginctl enable-linger {user}",
    )


def space(name: str, directory: Path) -> Check:
    """Judge the free space where a directory is, or will be."""
    place = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / _GIBIBYTE:.1f} GiB free for {directory}"
    fix = f"free some space: see du -xh {place} | sort -h | tail"
    if free < _FAIL_BYTES:
        return fail(name, found, fix)
    return warn(name, found, fix) if free < _WARN_BYTES else ok(name, found)


def clock() -> Check:
    """Ask the kernel whether anything keeps its clock right."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state in {_UNSYNCHRONISED, -1}:
        return warn(
            "clock",
            "nothing synchronises the clock, so the times of events may be wrong",
            f"sudo timedatectl set-ntp true, or {install('chrony')}",
        )
    return ok("clock", "synchronised")


def vsock() -> Check:
    """Look for what listens beside the network, where no network namespace separates."""
    if not Path("/dev/vsock").exists():
        return ok("vsock", "this machine has none")
    try:
        done = subprocess.run(
            ["ss", "--vsock", "--listening", "--numeric", "--no-header"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return warn("vsock", "listeners are not known without ss", install("iproute2", "iproute"))
    return vsock_listeners(done.stdout.splitlines())


def vsock_listeners(lines: Sequence[str]) -> Check:
    """Judge the lines of ``ss --vsock --listening``."""
    words = [line.split() for line in lines]
    addresses = [row[4] for row in words if len(row) > 4 and row[1] == "LISTEN"]  # noqa: PLR2004
    if not addresses:
        return ok("vsock", "nothing listens")
    return warn(
        "vsock",
        f"services of this machine listen where no network namespace helps: {', '.join(addresses)}",
        "stop them; sudo ss --vsock --listening --processes names them",
    )
