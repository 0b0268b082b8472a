"""What processes cost, as the kernel counts it."""

import contextlib
import ctypes
import os
import resource
from collections.abc import Container, Iterable
from typing import Final

import psutil

_MEBIBYTE: Final = 1 << 20
_PR_SET_CHILD_SUBREAPER: Final = 36


def tree(pid: int) -> list[psutil.Process]:
    """List a process and its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def processes_of(uid: int) -> list[psutil.Process]:
    """List every process of a user, also those that have left their parent."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if process.uids().real == uid:
                found.append(process)
    return found


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Sum user and system time, with that of children that were waited for."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # its parent has its time now
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def adopt_orphans() -> None:
    """Become the parent of what a descendant leaves behind, so that its CPU is not lost.

    Podman's monitors leave their parent at once, and whoever waits for them learns what they
    and their containers took.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def bury(but: Container[int]) -> float:
    """Wait for the orphans that have ended, and return the CPU of all that were waited for."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid not in but and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, 0)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pss_mebibytes(processes: Iterable[psutil.Process]) -> float:
    """Sum the proportional set sizes: a page shared by n processes counts 1/n for each."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            total += process.memory_full_info().pss
    return total / _MEBIBYTE
