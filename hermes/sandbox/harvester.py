"""Takes what visitors left in their sandboxes, and keeps notes for whoever has to do it instead."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hermes.errors import PodmanError
from hermes.evidence.changes import FILE_NAME, share
from hermes.evidence.documents import timestamp
from hermes.sandbox import harvest_api
from hermes.sandbox.collection import Order, Stay, Summary
from hermes.sandbox.engine import Engine
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.sandbox import Sandbox, Visit

log = logging.getLogger(__name__)

# What is mounted over the upper directory and may be written to.
_MOUNTS: Final = ("/tmp", "/dev", "/run")  # noqa: S108 - the sandbox's own

OnHarvest = Callable[[Sandbox, Summary], None]


class Harvester:
    """One service's harvests; ``on_harvest`` hears of each."""

    def __init__(
        self,
        engine: Engine,
        namespace: Namespace | None,
        evidence: Path,
        sensor: str,
        on_harvest: OnHarvest,
    ) -> None:
        self._engine = engine
        self._namespace = namespace
        self._artifacts = evidence / "artifacts"
        self._sensor = sensor
        self._on_harvest = on_harvest

    def note(self, box: Sandbox) -> None:
        """Let the broker know what there would be to take if this process were killed."""
        if self._namespace is not None and box.visit is not None and box.upper is not None:
            order = self._order(box, box.visit)
            self._namespace.note(box.name, order, self._sensor, box.stream_descriptor)

    async def recover(self) -> None:
        """Take what is noted of a service that was killed; nothing without a broker."""
        if self._namespace is None:
            return
        try:
            taken = await self._namespace.recover(self._artifacts)
        except PodmanError as error:
            log.warning("what an earlier run left could not be harvested: %s", error)
        else:
            for name in taken:
                log.info("harvested %s, left by an earlier run", name)

    async def take(self, box: Sandbox) -> None:
        """Take what is left in a sandbox and end it; a failure is logged."""
        if box.visit is None or box.harvested:
            await box.end()
            return
        await box.halt()
        try:
            summary = await self._take(box, self._order(box, box.visit))
        except (PodmanError, OSError) as error:
            log.error("%s could not be harvested: %s", box.name, error)  # noqa: TRY400 - one sentence
        else:
            self._on_harvest(box, summary)
        box.harvested = True
        if self._namespace is not None:
            self._namespace.forget(box.name)
        await box.end()

    async def _take(self, box: Sandbox, order: Order) -> Summary:
        summary = await self._ask_broker(box, order)
        if summary is None:
            await box.end()
            summary = await harvest_api.harvest(self._engine, box.container, order)
        others = list(box.visit.sessions.values())[1:] if box.visit else []
        await asyncio.to_thread(share, order.changes, others)
        return summary

    async def _ask_broker(self, box: Sandbox, order: Order) -> Summary | None:
        """Harvest by the broker; None when there is none, or when it was killed over it."""
        if self._namespace is None or box.upper is None:
            return None
        try:
            return await self._namespace.harvest(order)
        except PodmanError as error:
            if self._namespace.alive:
                raise
            log.warning("%s is harvested by podman's API instead: %s", box.name, error)
            return None

    def _order(self, box: Sandbox, visit: Visit) -> Order:
        first = next(iter(visit.sessions.values()))
        started, ended = timestamp(visit.started), timestamp(datetime.now(UTC))
        return Order(
            upper=Path(box.upper or ""),
            artifacts=self._artifacts,
            changes=first / FILE_NAME,
            stay=Stay(box.name, started, ended, tuple(visit.sessions)),
            first_id=box.first_id,
            pid=(box.pid, box.pid_started),
            mounts=_MOUNTS,
        )
