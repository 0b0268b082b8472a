"""The service's own image: what goes into it, checked without building it."""

import importlib.util
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

import hermes
from hermes.errors import ImageError
from hermes.image import ServiceRecipe, service, wheel
from hermes.image.archive import Archive, Source
from hermes.image.bootstrap import base_command
from hermes.resources import containerfiles

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = (containerfiles() / "hermes" / "requirements.lock").read_text()


def test_the_running_hermes_packs_itself(tmp_path: Path) -> None:
    """The wheel has the package, the data of an installed one, and the program's name."""
    with zipfile.ZipFile(wheel.pack(tmp_path)) as packed:
        names = packed.namelist()
        points = packed.read(f"hermes_honeypot-{hermes.__version__}.dist-info/entry_points.txt")
    assert b"hermes = hermes.cli:main" in points
    for name in ("cli/up.py", "py.typed", "data/userdb.txt", "data/containerfiles/seccomp.json"):
        assert f"hermes/{name}" in names
    assert len(names) == len(set(names))
    assert not [name for name in names if "__pycache__" in name]


def test_the_lock_pins_every_dependency() -> None:
    """Each has one version and hashes, and nothing says where it was fetched from."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=]", each)[0] for each in project["dependencies"]}
    blocks = re.findall(
        r"^([a-z0-9-]+)==\S+(?: ; [^\\\n]+)? \\\n((?:    --hash=\S+.*\n)+)", LOCK, re.MULTILINE
    )
    assert wanted <= {name for name, _ in blocks}
    assert len(blocks) == len(re.findall(r"^\w.*==", LOCK, re.MULTILINE))
    assert "://" not in LOCK


def test_latest_has_the_versions_name_too() -> None:
    """Units name the first, and whoever goes back to an older one the second."""
    assert ServiceRecipe().tags() == (
        "localhost/hermes:latest",
        f"localhost/hermes:{hermes.__version__}",
    )
    assert ServiceRecipe("localhost/mine:7").tags() == ("localhost/mine:7",)


def test_the_base_is_python_and_what_is_essential() -> None:
    """No package manager's frontend, no manuals, and nothing of the machine that builds it."""
    source = Source("http://mirror.invalid/debian", "bookworm", ("main",))
    command = base_command(Archive("bookworm", (source,)), Path("/w/root.tar"), ("Proxy x",))
    assert {"--variant=essential", "--include=python3", "--aptopt=Proxy x"} <= set(command)
    assert "--dpkgopt=path-exclude=/usr/share/man/*" in command
    assert "etc/resolv.conf" in next(word for word in command if "customize-hook" in word)
    assert command[-3:] == ("bookworm", "/w/root.tar", source.line())


def test_a_part_reports_its_share() -> None:
    """The bar never goes back when the next part begins, and not knowing stays not knowing."""
    told: list[float | None] = []
    report = service.partly(lambda _stage, fraction: told.append(fraction), 0.75)
    report("packing", 0.8)
    report("pulling", None)
    assert told == [0.6, None]


def test_an_environment_without_pip_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip checks the hashes, out here and in the image."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ImageError, match=r"has no pip.*-m ensurepip"):
        service._context_files()
