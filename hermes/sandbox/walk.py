"""Walk a tree that a stranger made: by descriptors, without following links, and bounded."""

import os
import stat
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Entry:
    """One name; ``parent`` is open only until the next entry is asked for."""

    path: str
    name: str
    parent: int
    status: os.stat_result


class Walk:
    """Every entry below ``root``, parents first; it holds two descriptors for each level."""

    def __init__(self, root: Path, depth: int) -> None:
        self.too_deep = 0
        self.unreadable = 0
        self._root = root
        self._depth = depth

    def entries(self) -> Generator[Entry, None, None]:
        """Walk; whoever stops early closes the generator. Raises OSError for the root."""
        levels = [_Level("", os.open(self._root, _DIRECTORY))]
        try:
            while levels:
                entry = self._next(levels[-1])
                if entry is None:
                    levels.pop().close()
                    continue
                yield entry
                if stat.S_ISDIR(entry.status.st_mode):
                    self._enter(levels, entry)
        finally:
            for level in levels:
                level.close()

    def _next(self, level: "_Level") -> Entry | None:
        """Return the level's next entry that can be seen."""
        while True:
            try:
                found = next(level.names, None)
                if found is None:
                    return None
                status = os.stat(found.name, dir_fd=level.descriptor, follow_symlinks=False)
            except FileNotFoundError:  # a living sandbox may delete it meanwhile
                continue
            except OSError:
                self.unreadable += 1
                continue
            return Entry(f"{level.path}/{found.name}", found.name, level.descriptor, status)

    def _enter(self, levels: "list[_Level]", entry: Entry) -> None:
        if len(levels) >= self._depth:
            self.too_deep += 1
            return
        try:
            descriptor = os.open(entry.name, _DIRECTORY, dir_fd=entry.parent)
            levels.append(_Level(entry.path, descriptor))
        except FileNotFoundError:  # deleted meanwhile
            return
        except OSError:  # replaced meanwhile, or of an owner who is not mapped
            self.unreadable += 1


class _Level:
    """An open directory and where its reading is."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        try:
            self.names = os.scandir(descriptor)
        except OSError:
            os.close(descriptor)
            raise

    def close(self) -> None:
        self.names.close()
        os.close(self.descriptor)
