"""What podman mounts into a sandbox and no server has: taken away from outside.

A thread of its own enters the sandbox's mount namespace, as setns(2) lets a thread that shares
no directory with others (unshare(2), CLONE_FS), and ends in it.
"""

import contextlib
import ctypes
import os
import threading
from typing import Final

MARKS: Final = ("/run/.containerenv",)
"""Podman 5 mounts it over a tmpfs too; no option leaves it out."""
_CLONE_FS: Final = 0x200
_CLONE_NEWNS: Final = 0x20000
_MNT_DETACH: Final = 2
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def remove_marks(pid: int) -> None:
    """Unmount and remove them in a sandbox that no visitor has had; what is not there is no error.

    Blocks for less than a millisecond. The caller's user namespace owns the sandbox's.
    """
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        thread = threading.Thread(target=_remove, args=(namespace,), name="marks")
        thread.start()
        thread.join()
    finally:
        os.close(namespace)


def _remove(namespace: int) -> None:
    if _LIBC.unshare(_CLONE_FS) != 0 or _LIBC.setns(namespace, _CLONE_NEWNS) != 0:
        return  # the probe will say so
    for path in MARKS:
        if _LIBC.umount2(path.encode(), _MNT_DETACH) == 0:
            with contextlib.suppress(OSError):  # the image's own, on a root that is read-only
                os.unlink(path)  # noqa: PTH108 - nothing is imported in there
