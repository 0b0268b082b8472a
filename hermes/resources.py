"""Files that come with Hermes and are no Python.

In a wheel they lie under ``hermes/data``; in a checkout, an editable install too, at its top.
"""

from pathlib import Path
from typing import Final

from hermes.errors import HermesError

_PACKAGE: Final = Path(__file__).resolve().parent


def containerfiles() -> Path:
    """Return the directory of the decoys' sources, for reading."""
    return _find("containerfiles")


def seccomp_profile() -> Path:
    """Return the file that says which system calls a sandbox may make."""
    return containerfiles() / "seccomp.json"


def _find(name: str) -> Path:
    for parent in (_PACKAGE / "data", _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise HermesError(f"{name}/ is missing from this installation of Hermes: install it again")
