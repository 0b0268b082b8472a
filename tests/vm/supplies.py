"""What a user would download: the wheel of this checkout, and those of what it needs."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from tests.vm.machine.disk import run

PYTHON: Final = "3.13"
_PROJECT: Final = Path(__file__).parents[2]


def wheelhouse(directory: Path) -> Path:
    """Fill a directory with wheels for the machine's Python."""
    project = tomllib.loads((_PROJECT / "pyproject.toml").read_text())["project"]
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
    which = ("--python-version", PYTHON, "--only-binary=:all:")
    run(directory, *pip, "download", "-q", *which, "-d", str(directory), *project["dependencies"])
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory],
        cwd=_PROJECT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return directory
