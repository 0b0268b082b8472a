"""One sandbox: a container by its life's steps, its stream, and who is in it."""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any, Final

from hermes.errors import PodmanError, ProtocolError
from hermes.guest import ChannelRequest, GuestChannel
from hermes.resources import seccomp_profile
from hermes.sandbox.attach import Attacher
from hermes.sandbox.compiled import filter_path
from hermes.sandbox.containers import delete_container, is_gone
from hermes.sandbox.decoy import Decoy
from hermes.sandbox.engine import Engine
from hermes.sandbox.multiplexer import Multiplexer
from hermes.sandbox.process import start_time
from hermes.sandbox.spec import FIRST_ID, Host, sandbox_spec
from hermes.sandbox.streams import Receiver, Stream
from hermes.settings import SandboxSettings

log = logging.getLogger(__name__)

DELETE_TRIES: Final = 3
_DELETE_PAUSE_SECONDS: Final = 0.5
_END_SECONDS: Final = 2.0
_HALT_SECONDS: Final = 2.0
_END_POLL_SECONDS: Final = 0.005


class State(StrEnum):
    """Where in its life a sandbox is."""

    STARTING = "starting"
    WARM = "warm"
    LEASED = "leased"
    LINGERING = "lingering"
    HARVESTING = "harvesting"
    GONE = "gone"


@dataclass(frozen=True)
class Plan:
    """What every sandbox of one service is made from."""

    settings: SandboxSettings
    instance: str
    """The same for every run in one runtime directory."""
    timeout_seconds: int
    profile: Path = field(default_factory=seccomp_profile)
    """The seccomp profile, where podman's service can read it."""
    host: Host | None = None
    run: str = field(default_factory=lambda: secrets.token_hex(6))
    """Tells the sandboxes of one service from those of the one before."""


@dataclass(frozen=True)
class Visit:
    """A visitor's time in one sandbox: his sessions, each with its directory of evidence."""

    visitor: str
    started: datetime
    sessions: dict[str, Path] = field(default_factory=dict)


class Sandbox:
    """A container that was asked for; `end` and `delete` are owed for each, once and surely.

    With the id of a ``member`` it is one that a unit of systemd runs: names of those are used
    again, and their unit removes what has ended.
    """

    def __init__(self, engine: Engine, plan: Plan, decoy: Decoy, member: str = "") -> None:
        self.name = f"box-{member[:12] or secrets.token_hex(6)}"
        self.supervised = bool(member)
        self.container = member or self.name
        self.state = State.STARTING
        self.since = self.moved = monotonic()
        self.visit: Visit | None = None
        self.present: set[str] = set()
        self.harvested = False
        self.pid = self.pid_started = 0
        self.host_files: list[str] = []
        """Files of the host that are mounted in it and may be written to."""
        self.upper: str | None = None
        self.filter_path: Path | None = None
        self.on_lost: Callable[[Sandbox], None] = lambda _box: None
        self._patience: asyncio.TimerHandle | None = None
        self._engine = engine
        self._plan = plan
        self._decoy = decoy
        self._stream: Stream | None = None
        self._multiplexer = Multiplexer(self.name, self._send)

    @property
    def age_seconds(self) -> float:
        """How long the container has been there."""
        return monotonic() - self.since

    @property
    def left_seconds(self) -> float:
        """How long it will be there at most."""
        return self._plan.timeout_seconds - self.age_seconds

    @property
    def image(self) -> str:
        """Podman's id of the image it is made of."""
        return self._decoy.image

    @property
    def first_id(self) -> int:
        """The id of its root in the service user's namespace."""
        return 0 if self._plan.host is None else FIRST_ID

    @property
    def given_filter(self) -> bool:
        """Whether its seccomp filter was compiled before."""
        return self._plan.host is not None and bool(self._plan.host.seccomp_filter)

    @property
    def lost(self) -> bool:
        """Whether it ended by itself."""
        return self._multiplexer.lost is not None

    def be_patient(self, timer: asyncio.TimerHandle | None) -> None:
        """Put a timer for the end of lingering in place of the one before."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = timer

    async def create(self) -> None:
        """Create the container, not running yet."""
        spec = sandbox_spec(
            self._plan.settings,
            image=self._decoy.image,
            name=self.name,
            instance=self._plan.instance,
            run=self._plan.run,
            hostname=self._plan.settings.hostname or self._decoy.hostname,
            timeout_seconds=self._plan.timeout_seconds,
            host=self._plan.host,
        )
        await self._engine.request("POST", "/containers/create", document=spec, settle=True)

    async def start(self, attacher: Attacher) -> None:
        """Start the created container and wait for its first process; raises HermesError."""
        await self._engine.request("POST", f"/containers/{self.name}/start", settle=True)
        await self.join(attacher)

    async def join(self, attacher: Attacher) -> None:
        """Take the stream of a running container, and greet its first process; HermesError."""
        document = await self._engine.json("GET", f"/containers/{self.container}/json")
        try:
            self._learn(document)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise PodmanError(f"podman's words about {self.name} lack {error!r}") from error
        self._stream = await attacher.attach(document, Receiver(self._feed, self._lose))
        await self._multiplexer.greet(self._plan.timeout_seconds)

    async def open(self, request: ChannelRequest) -> GuestChannel:
        """Start a program as the account that the request names, which is made if need be."""
        return await self._multiplexer.open(request)

    async def halt(self) -> bool:
        """End every process but the first; False when nobody answers: then it has ended."""
        try:
            return await asyncio.wait_for(self._multiplexer.halt(), _HALT_SECONDS)
        except TimeoutError:
            return False

    async def end(self) -> None:
        """End everything inside by letting go of the stream; idempotent."""
        if self._stream is not None:
            self._stream.close()
            self._multiplexer.lose("it was ended")
            await self._ended()

    @property
    def stream_descriptor(self) -> int | None:
        """A descriptor that keeps it from ending while it is open anywhere, if there is one."""
        return self._stream.descriptor if self._stream is not None else None

    async def delete(self) -> None:
        """Remove the container, with retries; raises PodmanError."""
        if self.supervised and await is_gone(self._engine, self.container):
            return
        for attempt in range(1, DELETE_TRIES + 1):
            try:
                await delete_container(self._engine, self.container)
            except PodmanError:
                if attempt == DELETE_TRIES:
                    raise
                await asyncio.sleep(_DELETE_PAUSE_SECONDS * attempt)
            else:
                return

    def _learn(self, document: dict[str, Any]) -> None:
        self.pid = int(document["State"]["Pid"])
        self.pid_started = start_time(self.pid)
        self.filter_path = filter_path(document)
        self.upper = (document["GraphDriver"]["Data"] or {}).get("UpperDir")
        self.host_files = [path for path in (document.get("HostnamePath"),) if path]

    async def _ended(self) -> None:
        """Wait until its first process is gone, and so every other; deleting kills what is not."""
        deadline = monotonic() + _END_SECONDS
        while self.pid and _exists(self.pid) and monotonic() < deadline:
            await asyncio.sleep(_END_POLL_SECONDS)

    def _send(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.send(data)

    def _feed(self, data: memoryview | bytes) -> None:
        try:
            self._multiplexer.feed(data)
        except ProtocolError as error:
            log.warning("%s is ended: %s", self.name, error)
            if self._stream is not None:
                self._stream.close()
            self._lose("it broke the protocol")

    def _lose(self, reason: str) -> None:
        self._multiplexer.lose(reason)
        self.on_lost(self)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a sub-id's
        return True
    return True
