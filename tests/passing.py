"""Passes descriptors to a program as systemd does: sd_listen_fds(3)."""

import sys

_PARENT = """
import os, sys
descriptors = [int(text) for text in sys.argv[1].split(",")]
high = [os.dup2(fd, 100 + n) for n, fd in enumerate(descriptors)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n)
os.closerange(3 + len(high), 300)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(high))}
os.execvp(sys.argv[2], sys.argv[2:])
"""


def passing(*descriptors: int) -> list[str]:
    """Compose what comes before a command; whoever starts it lets the descriptors through."""
    return [sys.executable, "-c", _PARENT, ",".join(map(str, descriptors))]
