"""The service: starts the rooms of the house, joins them, and ends them in order."""

import asyncio
import contextlib
import hashlib
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from hermes import doctor, logs
from hermes.control import Answers, answering, control_path
from hermes.errors import SettingsError
from hermes.evidence.events import Event, SandboxHarvested, SandboxMoved
from hermes.evidence.lines import describe
from hermes.evidence.record import Desk
from hermes.evidence.writer import Writer, check_writable
from hermes.image import Report, ensure
from hermes.lock import locked
from hermes.resources import place_seccomp_profile
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
from hermes.settings_source import restart_wanted
from hermes.signals import Signals
from hermes.ssh.door import Door, prepare
from hermes.ssh.host_keys import HostKeys, making_keys
from hermes.ssh.listener import Listener, SessionStatus
from hermes.systemd.notify import Notifier

log = logging.getLogger(__name__)

_REMEMBERED_EVENTS: Final = 100
_SERVING, _STOPPING = "serving", "stopping"

Announce = Callable[[list[str]], None]
Reread = Callable[[], Settings]


class Service:
    """One running Hermes; `run` is its whole life.

    ``reread`` returns the settings as they are now, ``passed`` are sockets that listen already.
    """

    def __init__(
        self,
        settings: Settings,
        report: Report,
        *,
        reread: Reread,
        notifier: Notifier,
        passed: Sequence[socket.socket] = (),
    ) -> None:
        self.events: deque[Event] = deque(maxlen=_REMEMBERED_EVENTS)
        self._settings = settings
        self._report = report
        self._reread = reread
        self._notifier = notifier
        self._passed = passed
        self._phase = "starting"
        self._pool: Pool | None = None
        self._listener: Listener | None = None

    async def run(self, announce: Announce) -> int:
        """Start, call ``announce`` with the addresses, serve until a signal, drain and close.

        Returns the signal's number. Raises HermesError when it cannot start.
        """
        with Signals.caught() as signals:
            try:
                async with _running(self._notifier.beat(self._status), "heartbeat"):
                    await self._live(announce, signals)
            except asyncio.CancelledError:
                if signals.number is None:
                    raise
        assert signals.number is not None  # noqa: S101 - nothing else ends _live
        return signals.number

    async def _live(self, announce: Announce, signals: "Signals") -> None:
        settings = self._settings
        await asyncio.to_thread(doctor.check_host, own_podman=settings.podman.socket is None)
        await asyncio.to_thread(check_writable, settings.evidence.dir)
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(locked(settings.runtime_dir))
            stack.enter_context(locked(settings.evidence.dir))
            try:
                listener = await self._open(stack)
                announce(listener.addresses)
                self._enter(_SERVING, self._notifier.ready)
                await signals.ending(partial(self._reload, listener))
            finally:
                self._enter(_STOPPING, self._notifier.stopping)

    async def _open(self, stack: contextlib.AsyncExitStack) -> Listener:
        """Start everything, with its end on the stack, and the door last."""
        settings = self._settings
        door = await asyncio.to_thread(prepare, settings.ssh, settings.auth, self._passed)
        stack.callback(door.close)
        desk = stack.enter_context(self._desk())
        keys = await stack.enter_async_context(making_keys(settings.ssh.host_key_dir))
        pool = self._pool = await stack.enter_async_context(self._pooled(desk, door))
        listening = self._listening(door, await keys, pool, desk)
        listener = await stack.enter_async_context(listening)
        answers: Answers = {
            "pool": lambda: asdict(pool.status()),
            "addresses": lambda: listener.addresses,
            "recycle": pool.recycle,
        }
        path = control_path(settings.runtime_dir)
        await stack.enter_async_context(answering(path, answers))
        return listener

    async def _reload(self, listener: Listener) -> None:
        """Read the settings and the userdb again; what is wrong leaves all of it in force."""
        self._notifier.reloading()
        try:
            settings = await asyncio.to_thread(self._reread)
            await listener.use_userdb(settings.auth.userdb)
        except SettingsError as error:
            log.error("nothing was reloaded: %s", error)  # noqa: TRY400 - one sentence
        else:
            logs.adjust(settings.log)
            if names := restart_wanted(self._settings, settings):
                log.warning("changed, but in force after a restart only: %s", ", ".join(names))
        self._notifier.ready()

    def _enter(self, phase: str, tell: Callable[[], None]) -> None:
        self._phase = phase
        tell()

    def _told(self, stage: str, fraction: float | None) -> None:
        """Pass on how far the decoy is."""
        share = "" if fraction is None else f" ({fraction:.0%})"
        self._phase = f"decoy image: {stage}{share}"
        self._report(stage, fraction)

    def _status(self) -> str:
        """Say in one line how the service is."""
        pool = self.pool_status()
        if pool is None or self._phase not in (_SERVING, _STOPPING):
            return self._phase
        count = len(self.sessions())
        sessions = f"{count} {'session' if count == 1 else 'sessions'}"
        if self._phase == _STOPPING:
            return f"{_STOPPING}; sandboxes left: {len(pool.sandboxes)}; {sessions}"
        numbers = f"{pool.warm} warm, {pool.leased} leased, {pool.lingering} lingering"
        return f"{numbers}; {sessions}"

    def pool_status(self) -> PoolStatus | None:
        """Return the pool's state, once there is a pool."""
        return self._pool.status() if self._pool else None

    def sessions(self) -> list[SessionStatus]:
        """List the sessions that are open now."""
        return self._listener.status() if self._listener else []

    @contextlib.asynccontextmanager
    async def _pooled(self, desk: Desk, door: Door) -> AsyncIterator[Pool]:
        """A warm pool on a podman that answers; afterwards no sandbox is left."""
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            connection = connected(settings.podman.socket, settings.runtime_dir)
            engine = await stack.enter_async_context(connection)
            sandbox = settings.sandbox
            await ensure(engine, sandbox.image, self._told, hostname=sandbox.hostname)
            self._phase = "warming the pool"
            profile = await asyncio.to_thread(place_seccomp_profile, settings.runtime_dir)
            plan = _plan(settings, profile)
            notes = settings.runtime_dir / "stays"
            broker = running(notes, plan.run, settings.podman.broker, engine.socket)
            namespace = await stack.enter_async_context(broker)
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
            self._check_limits(pool, door)
            async with _running(pool.serve(), "pool"):
                await pool.warmed()
                yield pool

    @contextlib.asynccontextmanager
    async def _listening(
        self, door: Door, keys: HostKeys, pool: Pool, desk: Desk
    ) -> AsyncIterator[Listener]:
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
                proxies=settings.ssh.proxy_protocol,
                banner=lambda: settings.ssh.banner or pool.decoy.banner,
            )
            await listener.start(keys)
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

    def _check_limits(self, pool: Pool, door: Door) -> None:
        doctor.check_reach(
            door.hosts,
            limits_enforced=pool.limits_enforced,
            require_limits=self._settings.sandbox.require_limits,
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


def _plan(settings: Settings, profile: Path) -> Plan:
    return Plan(
        settings=settings.sandbox,
        instance=hashlib.sha256(str(settings.runtime_dir).encode()).hexdigest()[:12],
        timeout_seconds=lifetime_seconds(settings),
        profile=profile,
    )
