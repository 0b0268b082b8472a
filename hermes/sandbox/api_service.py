"""Podman's API service as a child of Hermes, for when no other socket is configured."""

import asyncio
import contextlib
import logging
import os
import shutil
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path
from socket import AF_UNIX
from socket import socket as unix_socket
from typing import Final

from hermes.errors import HermesError, HostError, PodmanError
from hermes.sandbox.engine import Engine

log = logging.getLogger(__name__)

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 5.0
_DIRECTORY: Final = "podman-"
_POLL_SECONDS: Final = 0.05
_RESTART_SECONDS: Final = 1.0
# keyring: the kernel caps a user's keyrings at 200, and so the pool.
CONTAINERS_CONF: Final = """[containers]
keyring = false
log_driver = "none"
[engine]
cgroup_manager = "{cgroup_manager}"
events_logger = "none"
"""


class ApiService:
    """Runs ``podman system service`` and starts it again when it dies; `stop` ends it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it and wait until it answers; raises HostError or PodmanError."""
        if shutil.which("podman") is None:
            raise HostError("podman is not installed; run scripts/up or install it")
        await asyncio.to_thread(self._prepare)
        await self._make_namespace()
        self._process = await self._spawn()
        await self._answering(self._process)

    async def supervise(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        while True:
            assert self._process is not None  # noqa: S101 - started before
            status = await self._process.wait()
            log.warning("podman's API service ended with status %s; starting it again", status)
            await asyncio.sleep(_RESTART_SECONDS)
            try:
                await self.start()
            except HermesError as error:
                log.error("%s", error)  # noqa: TRY400 - one sentence; the next round tries again

    async def stop(self) -> None:
        """Terminate it and wait; idempotent."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                # Not asyncio.timeout: before Python 3.11.4 it fails in a task being cancelled.
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                log.warning("podman's API service did not end in %g s; killing it", STOP_SECONDS)
                process.kill()
                await process.wait()
        await asyncio.to_thread(shutil.rmtree, self.socket.parent, ignore_errors=True)

    def _prepare(self) -> None:
        for left in self.socket.parent.parent.glob(f"{_DIRECTORY}*"):
            if not Path("/proc", left.name.removeprefix(_DIRECTORY)).exists():
                shutil.rmtree(left, ignore_errors=True)
        self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket.unlink(missing_ok=True)
        self._conf.write_text(CONTAINERS_CONF.format(cgroup_manager=_cgroup_manager()))

    @property
    def _conf(self) -> Path:
        return self.socket.with_name("containers.conf")

    @property
    def _log(self) -> Path:
        return self.socket.with_name("podman.log")

    async def _make_namespace(self) -> None:
        """Let a short command make the user's namespace.

        A service that makes it itself goes on in a second process, which no signal reaches.
        """
        command = ("podman", "ps", "--quiet")
        first = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
        await first.wait()

    async def _spawn(self) -> Process:
        # pdeathsig: the service must not outlive a Hermes that was killed.
        with self._log.open("wb") as messages:
            return await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "TERM"),
                *("env", f"CONTAINERS_CONF={self._conf}"),
                *("podman", "system", "service", "--time=0", f"unix://{self.socket}"),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=messages,
            )

    async def _answering(self, process: Process) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while process.returncode is None:
                    if await asyncio.to_thread(accepts, self.socket):
                        return
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise PodmanError(
                f"podman's API service took no connection in {START_SECONDS:g} s"
            ) from error
        words = await asyncio.to_thread(self._log.read_text, errors="replace")
        last = words.strip().splitlines()[-1:] or [f"status {process.returncode}"]
        raise PodmanError(f"podman's API service did not start: {last[0]}")


@contextlib.asynccontextmanager
async def connected(socket: Path | None, runtime_dir: Path) -> AsyncIterator[Engine]:
    """Yield an engine on ``socket``, or on a service of its own while the context lasts.

    Raises PodmanError when the service does not answer.
    """
    async with contextlib.AsyncExitStack() as stack:
        if socket is None:
            service = ApiService(runtime_dir / f"{_DIRECTORY}{os.getpid()}" / "podman.sock")
            stack.push_async_callback(service.stop)
            await service.start()
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            task = tasks.create_task(service.supervise(), name="podman-service")
            stack.callback(task.cancel)
        engine = Engine(socket or service.socket)
        stack.push_async_callback(engine.close)
        await check_answers(engine)
        yield engine


def accepts(path: Path) -> bool:
    """Whether somebody takes connections: a socket that is not yet listened on refuses them."""
    with unix_socket(AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):  # not made yet, or not listened on
            return False
    return True


async def check_answers(engine: Engine) -> None:
    """Ask the service for a sign of life; raises PodmanError with the fix."""
    try:
        await engine.request("GET", "/_ping", seconds=5)
    except PodmanError as error:
        raise PodmanError(
            f"no podman API answers on {engine.socket}; start it with "
            f"'podman system service --time=0 unix://{engine.socket}' "
            "or leave HERMES_PODMAN__SOCKET empty"
        ) from error


def _cgroup_manager() -> str:
    return "systemd" if Path("/run/systemd/system").is_dir() else "cgroupfs"
