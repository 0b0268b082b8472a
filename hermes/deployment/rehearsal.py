"""Units looked at before they are installed, by those who will read them.

Quadlet's generator with ``-dryrun`` (podman-systemd.unit(5)) makes services of them, and
``systemd-analyze verify`` reads these and the others as the user's systemd will.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hermes.deployment.places import QUADLET, SYSTEMD
from hermes.errors import DeploymentError

_GENERATORS: Final = (
    Path("/usr/lib/systemd/user-generators/podman-user-generator"),
    Path("/usr/libexec/podman/quadlet"),
    Path("/usr/lib/podman/quadlet"),
)
_MADE: Final = re.compile(r"^---(\S+)---$", re.MULTILINE)
_SECONDS: Final = 60.0


def find_generator() -> Path:
    """Find podman's generator; raises DeploymentError when podman has none."""
    found = next((path for path in _GENERATORS if path.exists()), None)
    if found is None:
        raise DeploymentError(
            "this podman has no Quadlet, which came with 4.4: install a newer podman "
            "(Debian 13, Ubuntu 24.04 and Fedora have one), or run hermes up without units"
        )
    return found


def rehearse(files: Mapping[str, str]) -> None:
    """Have generator and systemd read the units in a directory apart; raises DeploymentError."""
    generator = find_generator()
    if shutil.which("systemd-analyze") is None:
        raise DeploymentError("systemd-analyze is not installed: this machine has no systemd")
    with tempfile.TemporaryDirectory(prefix="hermes-units-") as name:
        directory = Path(name)
        quadlets = _write(directory / "quadlet", files, QUADLET)
        _write(directory / "systemd", files, SYSTEMD)
        if quadlets:
            _make_services(generator, directory)
        _verify(directory / "systemd")


def _write(directory: Path, files: Mapping[str, str], suffixes: frozenset[str]) -> list[Path]:
    directory.mkdir()
    paths = [directory / name for name in files if Path(name).suffix in suffixes]
    for path in paths:
        path.write_text(files[path.name])
    return paths


def _make_services(generator: Path, directory: Path) -> None:
    said = _run(
        [str(generator), "-dryrun", "-user"], {"QUADLET_UNIT_DIRS": str(directory / "quadlet")}
    )
    parts = _MADE.split(said.stdout)
    made = dict(zip(parts[1::2], parts[2::2], strict=True))
    wanted = len(list((directory / "quadlet").iterdir()))
    if said.returncode or len(made) < wanted:
        raise DeploymentError(f"podman's generator refuses the units: {_last(said.stderr)}")
    for name, text in made.items():
        (directory / "systemd" / name).write_text(text)


def _verify(directory: Path) -> None:
    units = sorted(str(path) for path in directory.iterdir())
    command = ["systemd-analyze", "verify", "--user", "--man=no", *units]
    said = _run(command, {"SYSTEMD_UNIT_PATH": f"{directory}:"})
    if said.returncode:
        raise DeploymentError(f"systemd refuses the units: {_last(said.stderr)}")


def _run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    assignments = [f"{name}={value}" for name, value in environment.items()]
    try:
        return subprocess.run(
            ["env", *assignments, *command],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeploymentError(f"{command[0]} took longer than {_SECONDS:g} s") from error


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it did not say why"
