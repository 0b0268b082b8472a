"""The wheel and the source archive: what there is without a checkout."""

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from this checkout, unpacked."""
    directory = tmp_path_factory.mktemp("wheel")
    shutil.unpack_archive(built("wheel", directory), directory / "site", "zip")
    return directory / "site"


def built(target: str, directory: Path) -> Path:
    """Build one archive of this checkout."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (archive,) = directory.glob("hermes_honeypot-*")
    return archive


def test_the_source_archive_has_what_its_readme_shows(tmp_path: Path) -> None:
    """Every file of the checkout that the README links to is inside."""
    readme = (CHECKOUT / "README.md").read_text()
    linked = set(re.findall(r"\]\(([^:)#]+)\)", readme))
    assert "docs/panel.svg" in linked
    with tarfile.open(built("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert linked <= names


def test_the_wheel_carries_its_data(unpacked: Path) -> None:
    """Decoy sources, the seccomp profile, units, the userdb and the type marker are inside."""
    sources = ("decoy/Containerfile", "init/init.c", "seccomp.json")
    for name in (
        *(f"containerfiles/{source}" for source in sources),
        "quadlet/README.md",
        "userdb.txt",
    ):
        assert (unpacked / "hermes" / "data" / name).is_file()
    assert (unpacked / "hermes" / "py.typed").is_file()


def test_the_wheel_works_without_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    """The settings, the built-in userdb and the decoy's sources are found where it lies."""
    program = (
        "import hermes.resources, hermes.ssh.policy as p;"
        "print(hermes.resources.containerfiles());"
        "print(p.read_userdb(None).decide('root', 'toor'))"
    )
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {libraries!r}; {program}"],
        env={"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    place, accepted = done.stdout.splitlines()
    assert accepted == "True"
    assert Path(place) == unpacked / "hermes" / "data" / "containerfiles"


def test_hermes_env_is_generated_from_the_settings() -> None:
    """The checkout's hermes.env is what ``hermes config template`` prints."""
    printed = subprocess.run(
        [sys.executable, "-m", "hermes", "config", "template"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout == (CHECKOUT / "hermes.env").read_text()


def test_the_scripts_are_sound() -> None:
    """Bash parses every script, and shellcheck, where it is installed, finds nothing."""
    scripts = [
        path
        for path in (CHECKOUT / "scripts").rglob("*")
        if path.is_file() and path.read_bytes().startswith(b"#!/bin/bash")
    ]
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n", str(script)], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(
            ["shellcheck", "-x", "--source-path=SCRIPTDIR", *map(str, scripts)],
            check=True,
            cwd=CHECKOUT,
        )
