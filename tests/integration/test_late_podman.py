"""A podman that makes containers later than it was waited for leaves none behind."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hermes.errors import LeaseError, PodmanError
from hermes.sandbox.containers import leftovers, sweep
from hermes.sandbox.decoy import Decoy, image_id
from hermes.sandbox.engine import Engine
from hermes.sandbox.harvester import Harvester
from hermes.sandbox.pool import Pool
from hermes.sandbox.sandbox import Plan, Sandbox
from hermes.sandbox.stock import CHECK_SECONDS
from hermes.sandbox.workshop import Workshop
from hermes.settings import PoolSettings, SandboxSettings
from tests.integration.slow_podman import SlowPodman, slow_podman

pytestmark = pytest.mark.podman

PATIENCE_SECONDS = 2.0
LATE_SECONDS = 3.0


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[SlowPodman]:
    """A podman that can be told to be slow."""
    async with slow_podman(tmp_path) as podman:
        yield podman


@pytest.fixture
async def engine(slow: SlowPodman) -> AsyncIterator[Engine]:
    """A client that gives up early."""
    engine = Engine(slow.socket, PATIENCE_SECONDS)
    yield engine
    await engine.close()


@pytest.fixture
async def plan(image: str, slow: SlowPodman, engine: Engine) -> AsyncIterator[Plan]:
    """Sandboxes of this test alone, of which none stays."""
    plan = Plan(SandboxSettings(image=image), secrets.token_hex(6), 60)
    yield plan
    slow.delay = 0.0
    await sweep(engine, plan.instance)


async def names(engine: Engine, plan: Plan, count: int, seconds: float) -> list[str]:
    """Wait until podman has so many containers of the plan, and name them."""
    async with asyncio.timeout(seconds):
        while len(found := await leftovers(engine, plan.instance)) != count:
            await asyncio.sleep(0.05)
    return found


async def test_every_cancellation_waits_for_podmans_answer(
    slow: SlowPodman, engine: Engine, plan: Plan
) -> None:
    """Who cancelled a creation twice finds the container there, to be deleted."""
    box = Sandbox(engine, plan, Decoy(await image_id(engine, plan.settings.image)))
    slow.delay = 1.0
    task = asyncio.ensure_future(box.create())  # noqa: TID251
    await slow.held.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await leftovers(engine, plan.instance) == [box.name]
    await box.delete()


async def test_a_container_that_comes_late_is_deleted_by_the_next_check(
    slow: SlowPodman, engine: Engine, plan: Plan
) -> None:
    """A sandbox that was given up and deleted before podman made it does not stay."""
    pool = _pool(engine, plan, size=2, max=2)
    await pool.start()
    slow.delay = LATE_SECONDS
    slow.held.clear()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(pool.serve())
        await slow.held.wait()
        slow.delay = 0.0
        await names(engine, plan, 3, LATE_SECONDS + 5)
        kept = await names(engine, plan, 2, 2 * CHECK_SECONDS)
        assert sorted(kept) == sorted(box.name for box in pool.status().sandboxes)
        serving.cancel()
    assert await leftovers(engine, plan.instance) == []


async def test_a_pool_that_closes_deletes_what_came_late(
    slow: SlowPodman, engine: Engine, plan: Plan
) -> None:
    """A container that appeared after its creation had failed is gone after the close."""
    slow.delay = LATE_SECONDS
    pool = _pool(engine, plan)
    with pytest.raises(PodmanError):
        await pool.start()
    await names(engine, plan, 1, LATE_SECONDS + 5)
    await pool.close()
    assert await leftovers(engine, plan.instance) == []


async def test_a_session_may_end_while_the_pool_waits_for_podman(
    slow: SlowPodman, engine: Engine, plan: Plan, tmp_path: Path
) -> None:
    """A box that is released after the pool's end began goes with the others."""
    pool = _pool(engine, plan, size=1, max=2)
    await pool.start()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(pool.serve())
        lease = await pool.lease("s", "v", tmp_path)
        slow.delay = 1.0
        slow.held.clear()
        await slow.held.wait()
        serving.cancel()
        await asyncio.sleep(0.1)
        assert not serving.done()
        lease.release()
    assert await leftovers(engine, plan.instance) == []


async def test_one_who_left_does_not_keep_a_closing_pool_from_refusing_the_others(
    engine: Engine, plan: Plan
) -> None:
    """Of two who wait, the one cancelled in the moment of the close costs the other nothing."""
    pool = _pool(engine, plan)
    async with asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(pool.lease("a", "v", Path()))
        waiting = tasks.create_task(_refusal(pool))
        await asyncio.sleep(0.05)
        gone.cancel()
        await pool.close()
    assert waiting.result() == "the service is stopping"


def _pool(engine: Engine, plan: Plan, **settings: int) -> Pool:
    harvester = Harvester(engine, None, Path(), "sensor", lambda _box, _summary: None)
    workshop = Workshop(engine, None, plan, harvester)
    return Pool(workshop, PoolSettings(**settings), lambda _box, _state: None)


async def _refusal(pool: Pool) -> str:
    with pytest.raises(LeaseError) as refused:
        await pool.lease("b", "w", Path())
    return str(refused.value)
