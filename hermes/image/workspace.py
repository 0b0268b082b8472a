"""A directory to build in: with room, open to sub-ids, and gone afterwards."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from hermes.errors import ImageError
from hermes.image.process import follow

PREFIX: Final = "hermes-build-"
BUILD_BYTES: Final = 2 << 30
SOURCES_BYTES: Final = 16 << 20
_TRAVERSABLE: Final = 0o711


def candidates() -> tuple[Path, ...]:
    """Return where temporary files may lie: on disk first, /tmp is often in memory."""
    return tuple(dict.fromkeys((Path("/var/tmp"), Path(tempfile.gettempdir()))))  # noqa: S108


def choose(directories: Iterable[Path], wanted: int = BUILD_BYTES) -> Path:
    """Return the first directory with ``wanted`` bytes free; ImageError when there is none."""
    tried = tuple(directories)
    for directory in tried:
        if directory.is_dir() and shutil.disk_usage(directory).free >= wanted:
            return directory
    names = " nor ".join(str(directory) for directory in tried)
    raise ImageError(
        f"a decoy needs {wanted >> 20} MB to be built in and neither {names} has them: "
        "free some space"
    )


@asynccontextmanager
async def workspace(wanted: int = BUILD_BYTES) -> AsyncIterator[Path]:
    """Make a directory with room for ``wanted`` bytes; what a build left in it goes with it."""
    parent = await asyncio.to_thread(choose, candidates(), wanted)
    for stale in await asyncio.to_thread(abandoned, parent):
        await remove(stale)
    path = Path(await asyncio.to_thread(tempfile.mkdtemp, "", f"{PREFIX}{os.getpid()}-", parent))
    await asyncio.to_thread(path.chmod, _TRAVERSABLE)
    try:
        yield path
    finally:
        await remove(path)


def abandoned(parent: Path) -> list[Path]:
    """Return our directories whose build is no longer running."""
    found = []
    for path in parent.glob(f"{PREFIX}*"):
        owner = re.match(rf"{PREFIX}(\d+)-", path.name)
        if owner and path.lstat().st_uid == os.getuid() and not Path("/proc", owner[1]).exists():
            found.append(path)
    return found


async def remove(path: Path) -> None:
    """Delete a tree, also one whose files belong to the user's sub-ids."""
    await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
    if await asyncio.to_thread(path.exists):
        await follow(("podman", "unshare", "rm", "-rf", "--", str(path)), _ignore)


def _ignore(line: str) -> None:
    """Whatever rm says: what it cannot delete, nobody here can."""
