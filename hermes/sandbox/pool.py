"""The pool: each visitor has one sandbox at a time, and finds it again when he returns.

A sandbox is leased while its visitor has a session, lingers after his last one, and is
harvested when he does not come back, or when somebody who waits needs its place.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hermes.errors import LeaseError
from hermes.sandbox.boxes import Boxes, OnMove
from hermes.sandbox.collection import MOST_SESSIONS
from hermes.sandbox.decoy import Decoy
from hermes.sandbox.lease import SandboxLease
from hermes.sandbox.pool_status import PoolStatus, row
from hermes.sandbox.sandbox import Sandbox, State, Visit
from hermes.sandbox.stock import Stock
from hermes.sandbox.workshop import Workshop
from hermes.settings import PoolSettings


@dataclass
class _Turn:
    """Whose turn it is to look for one visitor's sandbox."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Pool:
    """Leases sandboxes; its life is start, serve, close."""

    def __init__(self, workshop: Workshop, settings: PoolSettings, on_move: OnMove) -> None:
        self._workshop = workshop
        self._settings = settings
        self._boxes = Boxes(on_move)
        self._stock = Stock(workshop, settings, self._boxes)
        self._turns: dict[str, _Turn] = {}
        self.start = self._stock.start
        self.serve = self._stock.serve
        self.close = self._stock.close
        self.warmed = self._stock.warmed
        self.recycle = self._stock.recycle

    @property
    def decoy(self) -> Decoy:
        """What the image says."""
        return self._workshop.decoy

    @property
    def limits_enforced(self) -> bool:
        """Whether the kernel enforces what the sandboxes claim, known after `start`."""
        return self._workshop.limits_enforced

    async def lease(self, session: str, visitor: str, directory: Path) -> SandboxLease:
        """Take the visitor's sandbox or a warm one, or wait; raises LeaseError.

        What the visitor leaves in it is noted in ``directory``, his session's.
        """
        try:
            async with asyncio.timeout(self._settings.spawn_timeout_seconds), self._turn(visitor):
                box = self._of(visitor) or await self._take(visitor)
        except TimeoutError as error:
            raise LeaseError("no sandbox came free in time") from error
        self._enter(box, session, directory)
        return SandboxLease(box, lambda: self._leave(box, session))

    def status(self) -> PoolStatus:
        """Count and list what there is."""
        count = self._boxes.count
        return PoolStatus(
            target=self._settings.size,
            warm=count(State.WARM),
            leased=count(State.LEASED),
            lingering=count(State.LINGERING),
            starting=count(State.STARTING),
            max=self._settings.max,
            limits_enforced=self.limits_enforced,
            sandboxes=tuple(row(box) for box in self._boxes),
        )

    @contextlib.asynccontextmanager
    async def _turn(self, visitor: str) -> AsyncIterator[None]:
        """Let one session of a visitor look for his sandbox at a time."""
        turn = self._turns.setdefault(visitor, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[visitor]

    def _of(self, visitor: str) -> Sandbox | None:
        """Find the sandbox that a visitor has, or had and may have again."""
        for box in (*self._boxes.having(State.LEASED), *self._boxes.having(State.LINGERING)):
            if box.visit is not None and box.visit.visitor == visitor and not box.lost:
                if box.state is State.LEASED or self._workshop.lasts(box):
                    return box
                self._stock.end(box)
        return None

    async def _take(self, visitor: str) -> Sandbox:
        """Take a sandbox that is nobody's for a new visit."""
        box = await self._stock.take()
        box.visit = Visit(visitor, datetime.now(UTC))
        self._boxes.move(box, State.LEASED)
        return box

    def _enter(self, box: Sandbox, session: str, directory: Path) -> None:
        """Note one more session of the visitor whose sandbox it is."""
        assert box.visit is not None  # noqa: S101 - it was taken for a visit
        if len(box.visit.sessions) < MOST_SESSIONS:  # of the others the harvest says nothing
            box.visit.sessions[session] = directory
        box.present.add(session)
        self._workshop.note(box)
        box.be_patient(None)
        if box.state is State.LINGERING:
            self._boxes.move(box, State.LEASED)

    def _leave(self, box: Sandbox, session: str) -> None:
        """Note that a session is over; after the last one the sandbox lingers."""
        box.present.discard(session)
        if box.present or box.state is not State.LEASED:
            return
        seconds = self._settings.linger_seconds
        if seconds <= 0 or box.lost:
            self._stock.end(box)
            return
        self._boxes.move(box, State.LINGERING)
        box.be_patient(asyncio.get_running_loop().call_later(seconds, self._stock.end, box))
