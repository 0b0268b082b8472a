"""Files that come with Hermes and are no Python.

In a wheel they lie under ``hermes/data``; in a checkout, an editable install too, at its top.
"""

from pathlib import Path
from typing import Final

from hermes.errors import HermesError

_PACKAGE: Final = Path(__file__).resolve().parent


def containerfiles() -> Path:
    """Return the directory of the images' sources, for reading."""
    return _find("containerfiles")


def units() -> Path:
    """Return the directory of the units that the default settings make, for reading."""
    return _find("quadlet")


def seccomp_profile() -> Path:
    """Return the file that says which system calls a sandbox may make."""
    return containerfiles() / "seccomp.json"


def place_seccomp_profile(directory: Path) -> Path:
    """Copy that file into ``directory`` and return the copy.

    Podman's service opens it by its name, and a Hermes in a container or behind a file system of
    its own shares no other directory with it. Raises OSError.
    """
    placed = directory / "seccomp.json"
    beside = directory / ".seccomp.json"
    beside.write_bytes(seccomp_profile().read_bytes())
    beside.replace(placed)
    return placed


def _find(name: str) -> Path:
    for parent in (_PACKAGE / "data", _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise HermesError(f"{name}/ is missing from this installation of Hermes: install it again")
