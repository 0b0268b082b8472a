"""The pool: sandboxes kept warm up to a target, leased one to a session, deleted after it.

States change only in `Pool._move`. The life of the pool is start, serve, close.
"""

import asyncio
import contextlib
import logging
from collections import deque
from time import monotonic
from typing import Final

from hermes.errors import HermesError, LeaseError, PodmanError
from hermes.sandbox import limits
from hermes.sandbox.decoy import Decoy, image_id
from hermes.sandbox.engine import Engine
from hermes.sandbox.lease import SandboxLease
from hermes.sandbox.pool_status import PoolStatus, row
from hermes.sandbox.sandbox import Plan, Sandbox, State, claimed_limits, learn, sweep
from hermes.settings import PoolSettings

log = logging.getLogger(__name__)

CONCURRENT_STARTS: Final = 4
CHECK_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_REFILL_SECONDS: Final = 0.5
_ASK_AGAIN_SECONDS: Final = 0.2


class Pool:
    """Keeps the target warm while `serve` runs; `lease` hands one out."""

    def __init__(self, engine: Engine, settings: PoolSettings, plan: Plan) -> None:
        self.limits_enforced = False
        self.decoy = Decoy()
        self._engine = engine
        self._settings = settings
        self._plan = plan
        self._boxes: dict[str, Sandbox] = {}
        self._warm: deque[Sandbox] = deque()
        self._waiting: deque[asyncio.Future[Sandbox]] = deque()
        self._wake = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._resume_at = 0.0
        self._failures = 0
        self._closing = False

    async def start(self) -> None:
        """Sweep what an earlier run left, and prove one sandbox; raises HermesError."""
        await sweep(self._engine, self._plan.instance)
        try:
            async with asyncio.timeout(self._settings.spawn_timeout_seconds):
                await self._follow_image()
                await self._prove()
        except TimeoutError as error:
            raise PodmanError(
                f"podman started no sandbox within {self._settings.spawn_timeout_seconds:g} s; "
                "try 'podman run' by hand, or raise HERMES_POOL__SPAWN_TIMEOUT_SECONDS"
            ) from error

    async def serve(self) -> None:
        """Fill, refill and check until cancelled, then delete every sandbox."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._check_forever(), name="pool-check")
                try:
                    await self._fill_forever(tasks)
                finally:
                    self._closing = True  # a group that ends takes no more tasks
        finally:
            await self.close()

    async def close(self) -> None:
        """Delete every sandbox and refuse those who wait; idempotent."""
        self._closing = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(LeaseError("the service is stopping"))
        async with asyncio.TaskGroup() as tasks:
            for box in list(self._boxes.values()):
                tasks.create_task(self._discard(box))
        try:
            await sweep(self._engine, self._plan.instance, self._boxes)
        except PodmanError as error:
            log.warning("what podman made late could not be looked for: %s", error)

    async def warmed(self) -> None:
        """Wait until the first sandbox is warm; raises LeaseError after the spawn timeout."""
        seconds = self._settings.spawn_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                while not self._warm:
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise LeaseError(f"no sandbox was warm within {seconds:g} s; see the log") from error

    async def lease(self, session: str, visitor: str) -> SandboxLease:
        """Take a warm sandbox, or wait for one; raises LeaseError after the spawn timeout."""
        try:
            async with asyncio.timeout(self._settings.spawn_timeout_seconds):
                box = await self._take()
        except TimeoutError as error:
            raise LeaseError("no sandbox came free in time") from error
        box.session, box.visitor = session, visitor
        # Not at once: making a container would slow down the login that took this one.
        asyncio.get_running_loop().call_later(_REFILL_SECONDS, self._wake.set)
        return SandboxLease(box, self._release)

    def status(self) -> PoolStatus:
        """Count and list what there is."""
        return PoolStatus(
            target=self._settings.size,
            warm=self._count(State.WARM),
            leased=self._count(State.LEASED),
            lingering=0,
            starting=self._count(State.STARTING),
            max=self._settings.max,
            limits_enforced=self.limits_enforced,
            sandboxes=tuple(row(box) for box in self._boxes.values()),
        )

    async def _follow_image(self) -> None:
        """Learn what the image says, also when its name was given to another one."""
        image = await image_id(self._engine, self._plan.settings.image)
        if image != self.decoy.image:
            self.decoy = await learn(self._engine, self._plan, image)
            log.info("sandboxes are made of the image %.12s", image)

    async def _prove(self) -> None:
        """Start the first sandbox, learn what the kernel enforces, and keep it warm."""
        box = self._new()
        try:
            await self._create(box)
            missing = limits.unenforced(await box.init_pid(), claimed_limits(self._plan))
        except BaseException:  # cancelled too: the container is owed its deletion
            await self._discard(box)
            raise
        self.limits_enforced = not missing
        self._offer(box)

    async def _create(self, box: Sandbox) -> None:
        await box.create()
        await box.start()

    async def _take(self) -> Sandbox:
        while True:
            box = self._warm.popleft() if self._warm else await self._wait_for_one()
            self._move(box, State.LEASED)
            try:
                if await _is_running(box):
                    return box
            except BaseException:  # cancelled too: nobody else knows this box any more
                self._release(box)
                raise
            log.warning("%s died while it was warm", box.name)
            self._release(box)

    async def _wait_for_one(self) -> Sandbox:
        if self._closing:
            raise LeaseError("the service is stopping")
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

    async def _fill_forever(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            for _ in range(self._wanted()):
                tasks.create_task(self._spawn(self._new()), name="pool-start")
            pause = self._resume_at - monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if pause > 0 else None):
                    await self._wake.wait()

    def _wanted(self) -> int:
        """How many to start now: up to the target and for those who wait, never above either."""
        if self._closing or monotonic() < self._resume_at:
            return 0
        starting = self._count(State.STARTING)
        idle = self._count(State.WARM) + starting
        short = self._settings.size + len(self._waiting) - idle
        room = self._settings.max - len(self._boxes)
        return max(0, min(short, room, CONCURRENT_STARTS - starting))

    def _new(self) -> Sandbox:
        box = Sandbox(self._engine, self._plan, self.decoy)
        self._boxes[box.name] = box
        return box

    async def _spawn(self, box: Sandbox) -> None:
        try:
            async with asyncio.timeout(self._settings.spawn_timeout_seconds):
                await self._create(box)
        except (HermesError, TimeoutError) as error:
            self._back_off(error)
            await self._discard(box)
        else:
            self._failures, self._resume_at = 0, 0.0
            self._offer(box)
        finally:
            self._wake.set()

    def _back_off(self, error: Exception) -> None:
        self._failures += 1
        pause = min(2.0 ** (self._failures - 1), _LONGEST_PAUSE_SECONDS)
        self._resume_at = monotonic() + pause
        log.error("a sandbox did not start, next try in %g s: %r", pause, error)

    def _offer(self, box: Sandbox) -> None:
        """Give a sandbox to the one who waits longest, or keep it warm if the target needs it."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(box)
                return
        if len(self._warm) >= self._settings.size or self._closing:
            self._release(box)
            return
        self._move(box, State.WARM)
        self._warm.append(box)

    def _release(self, box: Sandbox) -> None:
        if box.state is State.GONE:
            return
        self._move(box, State.GONE)
        if self._tasks is not None and not self._closing:
            self._tasks.create_task(self._discard(box), name="pool-delete")

    async def _discard(self, box: Sandbox) -> None:
        """Delete the container and forget it; one that podman will not delete stays listed."""
        self._move(box, State.GONE)
        with contextlib.suppress(ValueError):
            self._warm.remove(box)
        try:
            await box.delete()
        except PodmanError as error:
            log.error("%s could not be deleted: %s", box.name, error)  # noqa: TRY400 - one sentence
        else:
            self._boxes.pop(box.name, None)
        self._wake.set()

    async def _check_forever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for check in (self._follow_image, self._check):
                try:
                    await check()
                except HermesError as error:
                    log.warning("the pool could not be checked: %s", error)

    async def _check(self) -> None:
        """Replace warm sandboxes that are spent, and delete what is there needlessly."""
        for box in list(self._boxes.values()):
            reason = await self._spent(box)
            if box.state is State.WARM and reason:
                log.info("replacing %s (%s)", box.name, reason)
                await self._discard(box)
            elif box.state is State.GONE:
                await self._discard(box)
        await sweep(self._engine, self._plan.instance, self._boxes)

    async def _spent(self, box: Sandbox) -> str:
        """Say why nobody should get this sandbox; empty when one may."""
        if box.image != self.decoy.image:
            return "of an image that was replaced"
        if box.age_seconds > self._plan.timeout_seconds / 2:
            return "old"
        return "" if await box.is_running() else "died"

    def _count(self, state: State) -> int:
        return sum(box.state is state for box in self._boxes.values())

    def _move(self, box: Sandbox, state: State) -> None:
        box.state = state


async def _is_running(box: Sandbox) -> bool:
    """Ask until podman answers: its service may be starting again; the caller has a deadline."""
    while True:
        try:
            return await box.is_running()
        except PodmanError as error:
            log.debug("%s could not be asked about: %s", box.name, error)
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
