"""What the kernel says of a process; numbers are used again."""

from pathlib import Path

_START_TIME = 19  # the 22nd field of proc(5)'s stat, the third being the first after the name


def start_time(pid: int) -> int:
    """Return when it was started, in clock ticks since boot; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[_START_TIME])


def is_filtered(pid: int) -> bool:
    """Whether a seccomp filter judges its system calls; False when it has ended."""
    try:
        return "\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
