"""Process 1 of every sandbox: ``containerfiles/init/init.c``, compiled when a decoy is built."""

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import Final

from hermes.errors import ImageError
from hermes.image.process import follow
from hermes.resources import containerfiles

LABEL: Final = "hermes.init"
"""On every image that has one: the `version` of it."""

FLAGS: Final = ("-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_SMALL_AND_ALONE: Final = ("-Os", "-static", "-s")
_FIX: Final = "run apt install gcc libc6-dev (Fedora: dnf install gcc glibc-static)"


def source() -> Path:
    """Return the one file that it is made of."""
    return containerfiles() / "init" / "init.c"


def version() -> str:
    """Return what tells one state of the source from another."""
    return hashlib.sha256(source().read_bytes()).hexdigest()[:16]


def check_compiler() -> None:
    """Raise ImageError, with the fix, when this machine has no C compiler."""
    if shutil.which("cc") is None:
        raise ImageError(f"there is no C compiler, and a decoy cannot be built without it: {_FIX}")


async def compile_init(directory: Path) -> Path:
    """Make the program in ``directory``; ImageError says what this machine lacks."""
    check_compiler()
    program, words = directory / "init", [""]
    command = ("cc", *FLAGS, *_SMALL_AND_ALONE, "-o", str(program), str(source()))
    if await follow(command, words.append):
        cause = next((line for line in words if "cannot find" in line or "error:" in line), "")
        raise ImageError(f"the guest's init cannot be compiled ({cause or words[-1]}): {_FIX}")
    return program


async def furnishing(directory: Path) -> Path:
    """Copy the decoy's sources into ``directory``, with the program beside them."""
    decoy = directory / "decoy"
    await asyncio.to_thread(shutil.copytree, containerfiles() / "decoy", decoy)
    await compile_init(decoy)
    return decoy
