"""The cap on what a visitor may write to disk.

Rootless overlays have no quota. So the free space is looked at often, which costs nothing, and
what each sandbox takes is added up when it has shrunk, or now and then: a visitor gets at most
what can be written between two looks above his cap. `SANDBOX__DISK` is also the largest size of
one file, which the kernel holds him to (RLIMIT_FSIZE).
"""

import asyncio
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Final

from hermes.errors import PodmanError
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.sandbox import Sandbox

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
MOST_FILES: Final = 200_000
_LONGEST_SECONDS: Final = 20.0
_SHARE: Final = 8


class DiskWatch:
    """Finds the sandboxes that take more than ``most_bytes``."""

    def __init__(self, namespace: Namespace | None, most_bytes: int) -> None:
        self._namespace = namespace
        self._most_bytes = most_bytes
        self._free_bytes: dict[str, int] = {}
        self._measured_at = 0.0
        self._unmeasured: set[str] = set()

    async def overfull(self, boxes: Iterable[Sandbox]) -> list[Sandbox]:
        """Measure if there is reason to, and return those that are over the cap."""
        measured = [box for box in boxes if box.upper is not None]
        if not measured or self._namespace is None or not self._is_due(measured[0]):
            return []
        over = await asyncio.gather(*(self._is_over(self._namespace, box) for box in measured))
        return [box for box, is_over in zip(measured, over, strict=True) if is_over]

    def _is_due(self, box: Sandbox) -> bool:
        """Whether a file system that sandboxes write to has shrunk, or it is long ago."""
        places = [str(Path(str(box.upper)).parent.parent), *map(os.path.dirname, box.host_files)]
        shrunk = any([self._has_shrunk(place) for place in places])  # noqa: C419 - look at each
        if not shrunk and monotonic() - self._measured_at < _LONGEST_SECONDS:
            return False
        self._measured_at = monotonic()
        return True

    def _has_shrunk(self, place: str) -> bool:
        try:
            status = os.statvfs(place)
        except OSError:  # a container that is going
            return False
        free = status.f_bavail * status.f_frsize
        before = self._free_bytes.get(place, free)
        shrunk = before - free > self._most_bytes // _SHARE
        if shrunk or free > before or place not in self._free_bytes:
            self._free_bytes[place] = free
        return shrunk

    async def _is_over(self, namespace: Namespace, box: Sandbox) -> bool:
        try:
            usage = await namespace.usage(Path(str(box.upper)), box.pid, box.host_files)
        except PodmanError as error:
            log.warning("what %s takes on disk could not be added up: %s", box.name, error)
            again = box.name in self._unmeasured
            self._unmeasured.add(box.name)
            return again
        self._unmeasured.discard(box.name)
        over = usage.bytes > self._most_bytes or usage.files > MOST_FILES or not usage.complete
        if over:
            log.warning("%s took %d bytes in %d files", box.name, usage.bytes, usage.files)
        return over
