"""What a container changed, asked of podman's API: the way without a broker.

It is slower by far, and tells less: no owners (podman's archive gives every file to the
container's root), links with where they lead in the end, and no names that are no UTF-8.
"""

import asyncio
import base64
import contextlib
import json
import tarfile
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Final

from hermes.errors import PodmanError
from hermes.evidence.artifacts import Artifacts
from hermes.evidence.changes import Change, Kind
from hermes.sandbox.collection import Collection, Order, Summary, is_noise
from hermes.sandbox.engine import Engine

_MOST_LIST_BYTES: Final = 16 << 20
_EXIT_SECONDS: Final = 5.0
_TAR_EXTRA_BYTES: Final = 1 << 20
_DELETED: Final = 2
_STAT: Final = "X-Docker-Container-Path-Stat"
# https://pkg.go.dev/io/fs#FileMode
_GO_KINDS: Final[tuple[tuple[int, Kind], ...]] = (
    (1 << 31, "directory"),
    (1 << 27, "link"),
    (1 << 26, "device"),
    (1 << 25, "fifo"),
    (1 << 24, "socket"),
)
_GO_BITS: Final = ((1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000))


@dataclass(frozen=True)
class Listed:
    """One path that podman says is different."""

    path: str
    deleted: bool


async def harvest(engine: Engine, container: str, order: Order) -> Summary:
    """Do what `Namespace.harvest` does for a stopped container; ``order.upper`` is not used.

    Raises PodmanError when podman does not list the changes, and OSError.
    """
    # Until podman has put an ended container away, it may unmount what it is asked for.
    with contextlib.suppress(PodmanError):  # never, when its supervisor was killed
        query = {"condition": "exited", "interval": "50ms"}
        await engine.request(
            "POST", f"/containers/{container}/wait", query=query, seconds=_EXIT_SECONDS
        )
    collection = await asyncio.to_thread(
        Collection, Artifacts(order.artifacts), order.changes, order.caps
    )
    try:
        await _Asking(engine, container, collection, order.caps.depth).take()
        return await asyncio.to_thread(collection.finish, order.stay)
    finally:
        await asyncio.to_thread(collection.abandon)


class _Asking:
    """One harvest by questions."""

    def __init__(self, engine: Engine, container: str, collection: Collection, depth: int) -> None:
        self._engine = engine
        self._at = f"/containers/{container}"
        self._collection = collection
        self._depth = depth

    async def take(self) -> None:
        for listed in await self._list():
            if self._collection.expired:
                self._collection.leave_out("seconds")
            elif self._collection.full:
                self._collection.leave_out("entries")
            elif listed.path.count("/") > self._depth:
                self._collection.leave_out("deep")
            else:
                await self._take(listed)

    async def _list(self) -> list[Listed]:
        file = await self._engine.download(f"{self._at}/changes", most_bytes=_MOST_LIST_BYTES)
        return await asyncio.to_thread(parse_list, file)

    async def _take(self, listed: Listed) -> None:
        if listed.deleted:
            self._collection.add(Change(path=listed.path, kind="deleted"))
            return
        query = {"path": listed.path}
        try:
            header = await self._engine.header(f"{self._at}/archive", _STAT, query=query)
            change = parse_stat(listed.path, header or "")
        except PodmanError:  # above all a name that JSON could not carry: the others matter too
            self._collection.leave_out("unreadable")
            return
        self._collection.add(await self._read(change) if change.kind == "file" else change)

    async def _read(self, change: Change) -> Change:
        size = change.size or 0
        if why := self._collection.too_large(size):
            return self._collection.unread(change, why)
        try:
            tar = await self._engine.download(
                f"{self._at}/archive",
                query={"path": change.path},
                most_bytes=size + _TAR_EXTRA_BYTES,
            )
        except PodmanError:
            return self._collection.unread(change, "refused by podman")
        return await asyncio.to_thread(partial(_read_tar, self._collection, change, tar))


def parse_list(file: IO[bytes]) -> list[Listed]:
    """Read podman's list of changes, without what is noise; raises PodmanError."""
    try:
        with contextlib.closing(file):
            document = json.load(file) or []  # null when nothing has changed
        listed = [Listed(str(item["Path"]), item["Kind"] == _DELETED) for item in document]
    except (ValueError, TypeError, KeyError) as error:
        raise PodmanError(f"podman's list of changes is damaged: {error}") from error
    return [item for item in listed if not is_noise(item.path)]


def parse_stat(path: str, header: str) -> Change:
    """Read what podman says of one path; raises PodmanError."""
    try:
        told: dict[str, Any] = json.loads(base64.b64decode(header))
        mode = int(told["mode"])
        kind: Kind = next((kind for bit, kind in _GO_KINDS if mode & bit), "file")
        return Change(
            path=path,
            kind=kind,
            mode=f"{mode & 0o777 | sum(ours for bit, ours in _GO_BITS if mode & bit):04o}",
            size=int(told["size"]) if kind == "file" else None,
            mtime=str(told["mtime"]),
            target=str(told["linkTarget"]) if kind == "link" else None,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise PodmanError(f"what podman says of a path is damaged: {error}") from error


def _read_tar(collection: Collection, change: Change, file: IO[bytes]) -> Change:
    """Read the one member; nothing is extracted to a path."""
    try:
        with file, tarfile.open(fileobj=file, mode="r|") as tar:
            member = tar.next()
            source = tar.extractfile(member) if member is not None and member.isreg() else None
            if source is None:
                return collection.unread(change, "not in podman's archive")
            return collection.read(change, source)
    except (tarfile.TarError, ValueError):
        return collection.unread(change, "podman's archive is damaged")
