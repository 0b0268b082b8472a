"""The machine's disk: built once, kept outside the project by the hash of its recipe."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes.image.bootstrap import proxies
from tests.vm.machine import recipe

_BUILD_SECONDS: Final = 600
_OPEN_TO_ALL: Final = Path("/var/tmp")  # noqa: S108 - a name in it is drawn
# mke2fs(8) fills a file system without mounting it, here as the root that the tree belongs to.
_MAKE = """
mkdir root
tar -C root -xf root.tar --exclude='./dev/*'
cp root/boot/vmlinuz-* vmlinuz
cp root/boot/initrd.img-* initrd.img
mkfs.ext4 -q -F -d root disk.img "$1"
rm -rf root root.tar
"""


@dataclass(frozen=True)
class Disk:
    """A directory with everything that a boot needs; never written to once it is there."""

    directory: Path

    @property
    def image(self) -> Path:
        """The root file system, raw."""
        return self.directory / "disk.img"

    @property
    def identity(self) -> Path:
        """The private key that root and hermes let in."""
        return self.directory / "key"


def cache() -> Path:
    """Return where disks are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hermes-vm"


def provide() -> Disk:
    """Return the disk of the recipe, building it if it is missing; older ones are removed."""
    directory = cache() / recipe.key()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _alone(directory.parent):
        if not directory.is_dir():
            _build(directory)
    return Disk(directory)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(directory: Path) -> None:
    """Build beside the final place, and move there what is whole."""
    with _temporary(directory.parent) as work, _temporary(_OPEN_TO_ALL) as scratch:
        scratch.chmod(0o755)
        shutil.copy(recipe.SETUP, scratch)
        key = work / "key"
        run(work, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", str(key))
        command = recipe.mmdebstrap_command(
            work / "root.tar",
            scratch,
            public_key=key.with_suffix(".pub").read_text().strip(),
            sources=recipe.sources(),
            options=_apt_proxies(),
        )
        run(work, *command)
        run(work, "podman", "unshare", "sh", "-euc", _MAKE, "sh", recipe.SIZE)
        work.rename(directory)
        work.mkdir()


@contextmanager
def _temporary(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hermes-vm-", dir=parent) as name:
        yield Path(name)


def _apt_proxies() -> tuple[str, ...]:
    dump = subprocess.run(
        ["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True
    )
    return tuple(proxies(dump.stdout))


def run(directory: Path, *command: str) -> None:
    """Run a step of a build; what it said stands in the error."""
    done = subprocess.run(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout[-4000:]}")
