"""What a check tells."""

import shutil
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is; only a failure keeps Hermes from working or being safe."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One fact, and what to do about it; an `ok` needs no fix."""

    name: str
    status: Status
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Check:
    """Tell that nothing is to be done."""
    return Check(name, Status.OK, found)


def warn(name: str, found: str, fix: str) -> Check:
    """Tell of something that Hermes works in spite of."""
    return Check(name, Status.WARN, found, fix)


def fail(name: str, found: str, fix: str) -> Check:
    """Tell of something that must change."""
    return Check(name, Status.FAIL, found, fix)


def install(package: str, fedora: str | None = None) -> str:
    """Return the command of this distribution that installs a package."""
    if shutil.which("apt-get") is None and shutil.which("dnf") is not None:
        return f"sudo dnf install {fedora or package}"
    return f"sudo apt install {package}"
