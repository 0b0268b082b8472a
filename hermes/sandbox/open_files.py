"""Files that are open in a sandbox and have no name: they take disk, and no walk sees them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def nameless(pid: int) -> Iterator[os.stat_result]:
    """Yield the status of each, as often as it is open, in the PID namespace of ``pid``."""
    namespace = _namespace(pid) if pid else None
    if namespace is None:
        return
    for process in _PROC.iterdir():
        if process.name.isdigit() and _namespace(int(process.name)) == namespace:
            yield from _open_in(process)


def _open_in(process: Path) -> Iterator[os.stat_result]:
    try:
        names = os.listdir(process / "fd")  # noqa: PTH208 - thousands at a time
    except OSError:  # it has ended
        return
    for name in names:
        try:
            status = os.stat(process / "fd" / name)  # noqa: PTH116 - thousands at a time
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
            yield status


def _namespace(pid: int) -> str | None:
    try:
        return str((_PROC / str(pid) / "ns" / "pid").readlink())
    except OSError:  # it has ended, or is none of ours
        return None
