"""What processes cost, as the kernel counts it."""

import contextlib
from collections.abc import Iterable
from typing import Final

import psutil

_MEBIBYTE: Final = 1 << 20


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


def pss_mebibytes(processes: Iterable[psutil.Process]) -> float:
    """Sum the proportional set sizes: a page shared by n processes counts 1/n for each."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            total += process.memory_full_info().pss
    return total / _MEBIBYTE
