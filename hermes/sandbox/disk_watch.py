"""The cap on what a visitor may write to disk.

Rootless overlays have no quota. So the free space is looked at often, which costs nothing, and
what each sandbox takes is added up when it has shrunk, or now and then: a visitor gets at most
what can be written between two looks above his cap. `SANDBOX__DISK` is also the largest size of
one file, which the kernel holds him to (RLIMIT_FSIZE).
"""

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
        self._free_bytes = 0
        self._measured_at = 0.0

    async def overfull(self, boxes: Iterable[Sandbox]) -> list[Sandbox]:
        """Measure if there is reason to, and return those that are over the cap."""
        measured = [box for box in boxes if box.upper is not None]
        if not measured or not self._is_due(str(measured[0].upper)):
            return []
        return [box for box in measured if await self._is_over(box)]

    def _is_due(self, upper: str) -> bool:
        status = os.statvfs(Path(upper).parent.parent)
        free = status.f_bavail * status.f_frsize
        shrunk = self._free_bytes - free > self._most_bytes // _SHARE
        if not shrunk and monotonic() - self._measured_at < _LONGEST_SECONDS:
            return False
        self._free_bytes, self._measured_at = free, monotonic()
        return True

    async def _is_over(self, box: Sandbox) -> bool:
        if self._namespace is None:
            return False
        try:
            usage = await self._namespace.usage(Path(str(box.upper)))
        except PodmanError as error:
            log.warning("what %s takes on disk could not be added up: %s", box.name, error)
            return False
        over = usage.bytes > self._most_bytes or usage.files > MOST_FILES or not usage.complete
        if over:
            log.warning("%s took %d bytes in %d files", box.name, usage.bytes, usage.files)
        return over
