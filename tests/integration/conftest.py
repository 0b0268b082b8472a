"""A real ``hermes up`` on a real rootless podman, for every test that asks for one."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes.image import guest_init
from tests import busybox
from tests.integration.running import Hermes, Start

IMAGE = "localhost/hermes-test:busybox"


@pytest.fixture(scope="session")
def init_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first process of every sandbox, compiled."""
    return asyncio.run(guest_init.compile_init(tmp_path_factory.mktemp("init")))


@pytest.fixture(scope="session")
def import_image(init_program: Path) -> Callable[[str, dict[str, str]], str]:
    """Give a name to a decoy of busybox and some files, imported in less than a second."""
    if shutil.which("podman") is None or not busybox.BUSYBOX.exists():
        pytest.skip("needs podman and a static busybox: run scripts/test")

    def _import(name: str, files: dict[str, str]) -> str:
        tree = busybox.tree(init_program, files)
        command = ["podman", "import", "--change", busybox.label(), "-", name]
        subprocess.run(command, input=tree, check=True, capture_output=True, timeout=60)
        return name

    return _import


@pytest.fixture(scope="session")
def image(import_image: Callable[[str, dict[str, str]], str]) -> str:
    """A decoy of busybox alone."""
    return import_image(IMAGE, {})


@pytest.fixture
def start(image: str, tmp_path: Path) -> Iterator[Start]:
    """Start services with the given settings; all are stopped after the test."""
    started: list[Hermes] = []

    def _start(**settings: str) -> Hermes:
        hermes = Hermes(tmp_path, {"SANDBOX__IMAGE": image, **settings})
        started.append(hermes)
        hermes.start()
        return hermes

    yield _start
    for hermes in started:
        hermes.stop()


@pytest.fixture(scope="module")
def shared(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hermes]:
    """One service for the tests of a module that only log in and look."""
    directory = tmp_path_factory.mktemp("hermes")
    hermes = Hermes(
        directory,
        {"SANDBOX__IMAGE": image, "AUTH__FAILURE_DELAY_SECONDS": "0", "POOL__LINGER_SECONDS": "0"},
    )
    hermes.start()
    yield hermes
    hermes.stop()


@pytest.fixture
def make_hermes(image: str, tmp_path: Path) -> Callable[..., Hermes]:
    """Prepare a service that the test itself starts."""

    def _make(**settings: str) -> Hermes:
        return Hermes(tmp_path, {"SANDBOX__IMAGE": image, **settings})

    return _make
