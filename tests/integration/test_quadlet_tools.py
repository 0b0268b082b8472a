"""The units before the tools that will read them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hermes.quadlet.generate import Shape, systemd_directory
from hermes.quadlet.places import Places
from hermes.quadlet.versions import parse_version
from tests.quadlet_units import KINDS, files, run_options

GENERATORS = (
    os.environ.get("HERMES_TEST_QUADLET", ""),
    "/usr/libexec/podman/quadlet",
    "/usr/lib/podman/quadlet",
    "/usr/lib/systemd/user-generators/podman-user-generator",
)


def tool(name: str) -> str:
    """Find a program of systemd, or skip the test."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="module")
def quadlet() -> str:
    """Quadlet's generator."""
    found = next((path for path in GENERATORS if path and Path(path).exists()), None)
    if found is None:
        pytest.skip("this podman has no Quadlet: it came with 4.4")
    return found


@pytest.mark.parametrize("shape", list(Shape))
def test_quadlet_takes_every_unit(quadlet: str, shape: Shape, tmp_path: Path) -> None:
    """Its dry run makes a service of each file without a complaint."""
    said = subprocess.run([quadlet, "--version"], capture_output=True, text=True, check=True)
    ours = {
        name: text
        for name, text in files(parse_version(said.stdout), shape=shape).items()
        if name.endswith(KINDS)
    }
    made = dry_run(quadlet, tmp_path, ours)
    assert len(re.findall(r"^---.+---$", made, re.MULTILINE)) == len(ours)


def test_quadlet_reads_a_member_as_these_tests_do(quadlet: str, tmp_path: Path) -> None:
    """The options of podman run that it writes have all that the other tests rest on."""
    said = subprocess.run([quadlet, "--version"], capture_output=True, text=True, check=True)
    member = files(parse_version(said.stdout))["hermes-sandbox@.container"]
    made = dry_run(quadlet, tmp_path, {"hermes-sandbox@.container": member})
    start = next(line for line in made.splitlines() if line.startswith("ExecStart="))
    words = re.sub(r" (?=[^-])", "=", start.lower())
    assert [one for one in run_options(member) if f" {one.lower()}" not in words] == []


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    """systemd-analyze knows every key and finds every program of the plain units."""
    plain = {
        name: text
        for name, text in files(places=Places(python="/usr/bin/python3")).items()
        if systemd_directory(name)
    }
    write(tmp_path, plain)
    names = [str(tmp_path / name) for name in plain if name != "hermes-hostname.service"]
    said = verify(tmp_path, [*names, str(tmp_path / "hermes-hostname.service")])
    # Members are Quadlet's, and a podman that is not installed is no fault of a unit.
    assert [line for line in said.splitlines() if not harmless(line)] == []


def harmless(line: str) -> bool:
    """Whether a line is about this machine, not about a unit of ours."""
    ours = re.search(r"hermes[\w@-]*\.(service|socket|slice|target)", line)
    return ours is None or "/usr/bin/podman is not executable" in line


def test_the_service_is_shut_in(tmp_path: Path) -> None:
    """systemd-analyze finds the service no more exposed than 2.0 of 10."""
    write(tmp_path, {"hermes.service": files()["hermes.service"]})
    command = [tool("systemd-analyze"), "--offline=yes", "--no-pager", "security"]
    path = str(tmp_path / "hermes.service")
    judged = subprocess.run([*command, path], capture_output=True, text=True, check=False)
    if "unrecognized option" in judged.stderr:
        pytest.skip("systemd is older than 250")
    level = re.search(r"exposure level for hermes\.service: ([\d.]+)", judged.stdout)
    assert level is not None, judged.stderr
    assert float(level[1]) <= 2.0


def dry_run(quadlet: str, directory: Path, units: dict[str, str]) -> str:
    """Have Quadlet print the services that it would make."""
    write(directory, units)
    done = subprocess.run(
        [quadlet, "-dryrun", "-user"],
        env={**os.environ, "QUADLET_UNIT_DIRS": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not re.search(r"unsupported|error|warning", done.stderr, re.IGNORECASE), done.stderr
    return done.stdout


def verify(directory: Path, paths: list[str]) -> str:
    """Return what systemd-analyze complains of."""
    command = [tool("systemd-analyze"), "--man=no", "--generators=no", "verify", *paths]
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{directory}:"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stderr


def write(directory: Path, units: dict[str, str]) -> None:
    """Put units into a directory."""
    for name, text in units.items():
        (directory / name).write_text(text)
