"""What the kernel lets one user have, against the largest pool."""

import mmap
from pathlib import Path
from typing import Final

from hermes.doctor.check import Check, ok, warn

PROC_SYS: Final = Path("/proc/sys")
_SPARE: Final = 10  # for what else the user runs
_PIPE_BYTES: Final = 256 << 10  # the guest init enlarges its output to so much
_OTHER_PIPES_BYTES: Final = 128 << 10  # those of podman and conmon, of ordinary size
_UNLIMITED: Final = 0


def keyrings(most: int, *, own_service: bool, root: Path = PROC_SYS) -> Check:
    """Judge the number of keys; podman's service as Hermes runs it makes none."""
    if own_service:
        return ok("keyrings", "sandboxes get none")
    return _enough("keyrings", "kernel.keys.maxkeys", most + _SPARE, root)


def inotify(most: int, root: Path = PROC_SYS) -> Check:
    """Judge the number of inotify instances: each sandbox's monitor holds one."""
    return _enough("inotify", "fs.inotify.max_user_instances", most + _SPARE, root)


def pipes(most: int, root: Path = PROC_SYS) -> Check:
    """Judge the memory of pipes: above it, they shrink to a page or two and output crawls."""
    pages = (_PIPE_BYTES + _OTHER_PIPES_BYTES) // mmap.PAGESIZE
    return _enough("pipes", "fs.pipe-user-pages-soft", (most + _SPARE) * pages, root, _UNLIMITED)


def _enough(name: str, key: str, needs: int, root: Path, unlimited: int | None = None) -> Check:
    try:
        has = int((root / key.replace(".", "/")).read_text())
    except (OSError, ValueError):
        return ok(name, f"this kernel has no {key}")
    if has >= needs or has == unlimited:
        return ok(name, f"{key} is {has}, and {needs} are enough")
    return warn(
        name,
        f"{key} is {has}, and HERMES_POOL__MAX asks for {needs}",
        f"echo {key}={needs} | sudo tee -a /etc/sysctl.d/60-hermes.conf && sudo sysctl --system",
    )
