"""The stock of sandboxes: warm ones up to a target, and the end of those that are done with.

The life of the stock is start, serve, close.
"""

import asyncio
import contextlib
import logging
from collections import deque
from time import monotonic
from typing import Final

from hermes.errors import HermesError, LeaseError, PodmanError
from hermes.sandbox.boxes import Boxes
from hermes.sandbox.disk_watch import LOOK_SECONDS
from hermes.sandbox.sandbox import Sandbox, State
from hermes.sandbox.workshop import Workshop
from hermes.settings import PoolSettings

log = logging.getLogger(__name__)

CONCURRENT_STARTS: Final = 4
CHECK_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 4.0
_REFILL_SECONDS: Final = 0.05
_JOIN_SECONDS: Final = 0.3
_STOPPING: Final = "the service is stopping"
_ENDED: Final = (State.HARVESTING, State.GONE)


class Stock:
    """Keeps the target warm while `serve` runs; `take` gives one away, `end` takes it back."""

    def __init__(self, workshop: Workshop, settings: PoolSettings, boxes: Boxes) -> None:
        self._workshop = workshop
        self._settings = settings
        self._boxes = boxes
        self._waiting: deque[asyncio.Future[Sandbox]] = deque()
        self._wake = asyncio.Event()
        self._ends: asyncio.TaskGroup | None = None
        self._ending: set[str] = set()
        self._resume_at = 0.0
        self._failures = 0
        self._closing = False

    async def start(self) -> None:
        """Sweep what an earlier run left, and prove one sandbox; raises HermesError."""
        await self._workshop.recover()
        try:
            async with asyncio.timeout(self._settings.spawn_timeout_seconds):
                await self._workshop.open()
                await self._prove()
        except TimeoutError as error:
            raise PodmanError(
                f"podman started no sandbox within {self._settings.spawn_timeout_seconds:g} s; "
                "try 'podman run' by hand, or raise HERMES_POOL__SPAWN_TIMEOUT_SECONDS"
            ) from error

    async def serve(self) -> None:
        """Fill, refill and check until cancelled, then end every sandbox."""
        async with asyncio.TaskGroup() as ends:
            self._ends = ends
            try:
                await self._keep()
            except asyncio.CancelledError as error:  # a harvest under way is not cut short
                cancelled = error
            await self.close()
        raise cancelled

    async def _keep(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._check_forever(), name="pool-check")
            tasks.create_task(self._watch_disk(), name="pool-disk")
            if self._settings.supervisor == "systemd":
                tasks.create_task(self._join_members(tasks), name="pool-members")
            try:
                await self._fill_forever(tasks)
            finally:
                self._closing = True  # a group that ends takes no more tasks

    async def close(self) -> None:
        """End every sandbox and refuse those who wait; idempotent."""
        self._closing = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(LeaseError(_STOPPING))
        async with asyncio.TaskGroup() as tasks:
            for box in self._boxes:
                tasks.create_task(self._harvest(box))
        try:
            await self._workshop.sweep(self._boxes)
        except PodmanError as error:
            log.warning("what podman made late could not be looked for: %s", error)

    async def warmed(self) -> None:
        """Wait until the first sandbox is warm; raises LeaseError after the spawn timeout."""
        seconds = self._settings.spawn_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                while not self._boxes.count(State.WARM):
                    if self._closing:
                        raise LeaseError(_STOPPING)
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise LeaseError(f"no sandbox was warm within {seconds:g} s; see the log") from error

    async def take(self) -> Sandbox:
        """Return a sandbox that is nobody's, in time or later; raises LeaseError at the end.

        The caller moves it to its next state before anything else can run.
        """
        warm = self._boxes.having(State.WARM)
        box = warm[0] if warm else await self._wait_for_one()
        # Not at once: making a container would slow down the login that took this one.
        asyncio.get_running_loop().call_later(_REFILL_SECONDS, self._wake.set)
        return box

    def end(self, box: Sandbox) -> None:
        """Begin the end of a sandbox: harvest, then delete; idempotent."""
        if box.state in _ENDED:
            return
        box.be_patient(None)
        self._boxes.move(box, State.HARVESTING)
        if self._ends is not None and not self._closing:
            self._ends.create_task(self._harvest(box), name="pool-harvest")

    def recycle(self) -> list[str]:
        """Replace the warm sandboxes, one after another; returns their names at once."""
        boxes = self._boxes.having(State.WARM)
        if self._ends is not None and not self._closing:
            self._ends.create_task(self._replace(boxes), name="pool-recycle")
        return [box.name for box in boxes]

    async def _prove(self) -> None:
        """Make the first sandbox and look at it from inside; nobody gets it."""
        box = self._draft()
        try:
            await self._workshop.make(box)
            await self._workshop.prove(box)
        finally:
            await self._harvest(box)

    async def _wait_for_one(self) -> Sandbox:
        if self._closing:
            raise LeaseError(_STOPPING)
        waiter: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._wake.set()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._offer(waiter.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)

    def _offer(self, box: Sandbox) -> None:
        """Give a sandbox to the one who waits longest, or keep it warm if the target needs it."""
        if box.lost:
            self.end(box)
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(box)
                return
        self._boxes.move(box, State.WARM)
        warm = self._boxes.having(State.WARM)
        if len(warm) > self._settings.size or self._closing:  # our own youngest, or else this one
            self.end(next((one for one in reversed(warm) if not one.supervised), box))

    async def _fill_forever(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            self._make_room()
            for _ in range(self._wanted()):
                tasks.create_task(self._spawn(self._draft()), name="pool-start")
            pause = self._resume_at - monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if pause > 0 else None):
                    await self._wake.wait()

    def _wanted(self) -> int:
        """How many to start now: up to the target, and for those who wait."""
        if self._closing or monotonic() < self._resume_at:
            return 0
        starting = self._boxes.count(State.STARTING)
        idle = self._boxes.count(State.WARM) + starting
        short = self._target() + len(self._waiting) - idle
        room = self._settings.max - len(self._boxes)
        return max(0, min(short, room, CONCURRENT_STARTS - starting))

    def _target(self) -> int:
        """How many are to be warm; those that systemd is about to bring are not ours to make."""
        size, members = self._settings.size, sum(box.supervised for box in self._boxes)
        return size if self._settings.supervisor == "hermes" else min(size, members)

    def _make_room(self) -> None:
        """End the sandboxes that lingered longest, one for each visitor who waits for a place."""
        coming = self._boxes.count(State.STARTING) + sum(map(self._boxes.count, _ENDED))
        room = self._settings.max - len(self._boxes) + coming
        for box in self._boxes.having(State.LINGERING)[: max(0, len(self._waiting) - room)]:
            self.end(box)

    def _draft(self) -> Sandbox:
        box = self._workshop.draft(self._lost)
        self._boxes.add(box)
        return box

    async def _join_members(self, tasks: asyncio.TaskGroup) -> None:
        """Take what units of systemd start; one that went is noticed by its stream."""
        while True:
            if sum(box.supervised for box in self._boxes) < self._settings.size:
                for box in await self._workshop.members(self._boxes, self._lost):
                    self._boxes.add(box)
                    tasks.create_task(self._spawn(box), name="pool-join")
            await asyncio.sleep(_JOIN_SECONDS)

    async def _spawn(self, box: Sandbox) -> None:
        begin = self._workshop.join if box.supervised else self._workshop.make
        try:
            async with asyncio.timeout(self._settings.spawn_timeout_seconds):
                await begin(box)
        except (HermesError, TimeoutError) as error:
            self._back_off(error)
            await self._harvest(box)
        else:
            self._failures, self._resume_at = 0, 0.0
            self._offer(box)
        finally:
            self._wake.set()

    def _back_off(self, error: Exception) -> None:
        self._failures += 1
        pause = min(2.0 ** (self._failures - 2), _LONGEST_PAUSE_SECONDS)
        self._resume_at = monotonic() + pause
        log.error("a sandbox did not start, next try in %g s: %r", pause, error)

    def _lost(self, box: Sandbox) -> None:
        """Hear that a sandbox ended by itself; its sessions hear of it from their channels."""
        if box.state is not State.STARTING:
            log.info("%s ended by itself while it was %s", box.name, box.state)
            self.end(box)

    async def _harvest(self, box: Sandbox) -> None:
        """End it, keep what was left in it, delete it; what podman will not delete stays listed."""
        if box.state is State.GONE or box.name in self._ending:
            return
        self._ending.add(box.name)
        if box.state is not State.HARVESTING:
            self._boxes.move(box, State.HARVESTING)
        try:
            await self._workshop.end(box)
        except PodmanError as error:
            log.error("%s could not be deleted: %s", box.name, error)  # noqa: TRY400 - one sentence
        else:
            self._boxes.move(box, State.GONE)
        finally:
            self._ending.discard(box.name)
            self._wake.set()

    async def _replace(self, boxes: list[Sandbox]) -> None:
        for box in boxes:
            if box.state is State.WARM:
                self._boxes.move(box, State.HARVESTING)
                await self._harvest(box)
                with contextlib.suppress(LeaseError):
                    await self.warmed()

    async def _check_forever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for check in (self._workshop.follow_image, self._check):
                try:
                    await check()
                except HermesError as error:
                    log.warning("the pool could not be checked: %s", error)

    async def _watch_disk(self) -> None:
        """End the stay of whoever fills the disk."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            taken = (*self._boxes.having(State.LEASED), *self._boxes.having(State.LINGERING))
            for box in await self._workshop.disk.overfull(taken):
                self.end(box)

    async def _check(self) -> None:
        """Replace warm sandboxes that are spent, and delete what is there needlessly."""
        for box in self._boxes.having(State.WARM):
            if reason := self._workshop.spent(box):
                log.info("replacing %s (%s)", box.name, reason)
                self.end(box)
        for box in self._boxes.having(State.HARVESTING):
            await self._harvest(box)
        await self._workshop.sweep(self._boxes)
