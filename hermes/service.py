"""The service: starts the rooms of the house, joins them, and ends them in order."""

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from hermes import doctor
from hermes.control import Answers, answering, control_path
from hermes.errors import HermesError, HostError
from hermes.evidence.events import Event, SandboxHarvested, SandboxMoved
from hermes.evidence.lines import describe
from hermes.evidence.record import Desk
from hermes.evidence.writer import Writer, check_writable
from hermes.image import Report, ensure
from hermes.sandbox.api_service import connected
from hermes.sandbox.collection import Summary
from hermes.sandbox.harvester import Harvester
from hermes.sandbox.namespace import running
from hermes.sandbox.pool import Pool
from hermes.sandbox.pool_status import PoolStatus
from hermes.sandbox.sandbox import Plan, Sandbox, State
from hermes.sandbox.spec import lifetime_seconds
from hermes.sandbox.workshop import Workshop
from hermes.settings import Settings
from hermes.signals import Signals
from hermes.ssh.door import Door, prepare
from hermes.ssh.listener import Listener, SessionStatus

log = logging.getLogger(__name__)

_REMEMBERED_EVENTS: Final = 100

Announce = Callable[[list[str]], None]


class Service:
    """One running Hermes; `run` is its whole life."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.events: deque[Event] = deque(maxlen=_REMEMBERED_EVENTS)
        self._settings = settings
        self._report = report
        self._pool: Pool | None = None
        self._listener: Listener | None = None

    async def run(self, announce: Announce) -> int:
        """Start, call ``announce`` with the addresses, serve until a signal, drain and close.

        Returns the signal's number. Raises HermesError when it cannot start.
        """
        with Signals.caught() as signals:
            try:
                await self._live(announce, signals)
            except asyncio.CancelledError:
                if signals.number is None:
                    raise
        assert signals.number is not None  # noqa: S101 - nothing else ends _live
        return signals.number

    async def _live(self, announce: Announce, signals: "Signals") -> None:
        settings = self._settings
        await asyncio.to_thread(doctor.check_host)
        await asyncio.to_thread(check_writable, settings.evidence.dir)
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_locked(settings.runtime_dir))
            stack.enter_context(_locked(settings.evidence.dir))
            door = await asyncio.to_thread(prepare, settings.ssh, settings.auth)
            stack.callback(door.close)
            desk = stack.enter_context(self._desk())
            pool = self._pool = await stack.enter_async_context(self._pooled(desk))
            listener = await stack.enter_async_context(self._listening(door, pool, desk))
            answers: Answers = {
                "pool": lambda: asdict(pool.status()),
                "addresses": lambda: listener.addresses,
                "recycle": pool.recycle,
            }
            path = control_path(settings.runtime_dir)
            await stack.enter_async_context(answering(path, answers))
            announce(listener.addresses)
            await signals.ending(listener.reload)

    def pool_status(self) -> PoolStatus | None:
        """Return the pool's state, once there is a pool."""
        return self._pool.status() if self._pool else None

    def sessions(self) -> list[SessionStatus]:
        """List the sessions that are open now."""
        return self._listener.status() if self._listener else []

    @contextlib.asynccontextmanager
    async def _pooled(self, desk: Desk) -> AsyncIterator[Pool]:
        """A warm pool on a podman that answers; afterwards no sandbox is left."""
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            connection = connected(settings.podman.socket, settings.runtime_dir)
            engine = await stack.enter_async_context(connection)
            sandbox = settings.sandbox
            await ensure(engine, sandbox.image, self._report, hostname=sandbox.hostname)
            plan = _plan(settings)
            notes = settings.runtime_dir / "stays"
            namespace = await stack.enter_async_context(running(notes, plan.run))
            harvester = Harvester(
                engine,
                namespace,
                settings.evidence.dir,
                settings.sensor,
                partial(self._harvested, desk),
            )
            workshop = Workshop(engine, namespace, plan, harvester)
            pool = Pool(workshop, settings.pool, self._moved)
            stack.push_async_callback(pool.close)  # also when it never served
            await pool.start()
            self._check_limits(pool)
            async with _running(pool.serve(), "pool"):
                await pool.warmed()
                yield pool

    @contextlib.asynccontextmanager
    async def _listening(self, door: Door, pool: Pool, desk: Desk) -> AsyncIterator[Listener]:
        """Open doors; afterwards no session is left."""
        settings = self._settings
        async with asyncio.TaskGroup() as tasks:
            listener = self._listener = Listener(
                door=door,
                auth=settings.auth,
                limits=settings.limits,
                desk=desk,
                lessor=pool,
                tasks=tasks,
                public_port=settings.ssh.public_port,
                banner=lambda: settings.ssh.banner or pool.decoy.banner,
            )
            await listener.start()
            try:
                async with _running(listener.serve(), "listener"):
                    yield listener
                    await listener.drain()
            finally:
                await listener.close()

    @contextlib.contextmanager
    def _desk(self) -> Iterator[Desk]:
        """Where sessions write; everything is on disk afterwards."""
        settings = self._settings
        writer = Writer()
        try:
            yield Desk(
                writer=writer,
                directory=settings.evidence.dir,
                sensor=settings.sensor,
                session_max_bytes=settings.evidence.session_max_bytes,
                listener=self._heard,
            )
        finally:
            writer.close()

    def _moved(self, box: Sandbox, state: State) -> None:
        """Make an event of a sandbox's new state."""
        visit = box.visit
        self._heard(
            SandboxMoved(
                time=datetime.now(UTC),
                session=next(reversed(visit.sessions), "") if visit else "",
                sandbox=box.name,
                state=state,
                visitor=visit.visitor if visit else None,
            )
        )

    def _harvested(self, desk: Desk, box: Sandbox, summary: Summary) -> None:
        """Add the harvest to the record of each session of the visit."""
        for session, directory in box.visit.sessions.items() if box.visit else ():
            event = SandboxHarvested(
                time=datetime.now(UTC), session=session, sandbox=box.name, **vars(summary)
            )
            desk.amend(directory, event)

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        extra = {"session": event.session, "action": event.action}
        log.info("%s %s", event.session, describe(event), extra=extra)

    def _check_limits(self, pool: Pool) -> None:
        settings = self._settings
        doctor.check_reach(
            settings.ssh.host,
            limits_enforced=pool.limits_enforced,
            require_limits=settings.sandbox.require_limits,
        )
        if not pool.limits_enforced:
            log.warning("limits on memory, CPU and processes are not enforced on this host")


@contextlib.asynccontextmanager
async def _running(life: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    """Run a coroutine beside the body and cancel it at its end; its failure ends the body."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(life, name=name)
        try:
            yield
        finally:
            task.cancel()


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold a directory for this process alone; raises HostError when another one has it."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(f"{directory} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise HostError(
            f"another hermes uses {directory}; stop it, or give this one its own "
            "HERMES_RUNTIME_DIR and HERMES_EVIDENCE__DIR"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _plan(settings: Settings) -> Plan:
    return Plan(
        settings=settings.sandbox,
        instance=hashlib.sha256(str(settings.runtime_dir).encode()).hexdigest()[:12],
        timeout_seconds=lifetime_seconds(settings),
    )


def first_error(error: BaseException) -> HermesError | None:
    """Find the HermesError in what a task group raised."""
    if isinstance(error, HermesError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(first_error, error.exceptions)), None)
    return None
