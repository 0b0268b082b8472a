"""A real ``hermes up`` on a real rootless podman, for every test that asks for one."""

import asyncio
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes.image import guest_init
from tests.integration.running import Hermes, Start

BUSYBOX = Path("/bin/busybox")
IMAGE = "localhost/hermes-test:busybox"
_PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
_FILES = {
    "etc/passwd": _PASSWD,
    "etc/group": "root:x:0:\ndaemon:x:1:\n",
    "etc/shadow": "root:*:19700:0:99999:7:::\n",
    "etc/hostname": "archive-02\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/resolv.conf": "nameserver 192.0.2.53\n",
}


def _busybox_tree(init: Path, files: dict[str, str]) -> bytes:
    """Lay out a root file system of one static binary, as a tar."""
    applets = subprocess.run(
        [BUSYBOX, "--list"], check=True, capture_output=True, text=True
    ).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, mode in (("root", 0o700), ("tmp", 0o1777), ("home", 0o755), ("proc", 0o755)):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, mode
            tar.addfile(directory)
        tar.add(BUSYBOX.resolve(), "bin/busybox")
        tar.add(init, "sbin/init", filter=_owned_by_root)
        for applet in set(applets) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, text in files.items():
            file = tarfile.TarInfo(name)
            file.size = len(text)
            tar.addfile(file, io.BytesIO(text.encode()))
    return out.getvalue()


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.mode = 0o755
    return member


@pytest.fixture(scope="session")
def init_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first process of every sandbox, compiled."""
    return asyncio.run(guest_init.compile_init(tmp_path_factory.mktemp("init")))


@pytest.fixture(scope="session")
def import_image(init_program: Path) -> Callable[[str, dict[str, str]], str]:
    """Give a name to a decoy of busybox and some files, imported in less than a second."""
    if shutil.which("podman") is None or not BUSYBOX.exists():
        pytest.skip("needs podman and a static busybox: run scripts/test")

    def _import(name: str, files: dict[str, str]) -> str:
        tree = _busybox_tree(init_program, _FILES | files)
        label = f"LABEL {guest_init.LABEL}={guest_init.version()}"
        command = ["podman", "import", "--change", label, "-", name]
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
