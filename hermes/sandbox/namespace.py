"""The client of `hermes.sandbox.broker`: what has to be done inside the user namespace."""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

from hermes.errors import PodmanError
from hermes.sandbox.broker import LARGEST_MESSAGE, MOST_HANDED, WORKERS
from hermes.sandbox.collection import Order, Summary, Usage

log = logging.getLogger(__name__)

USAGE_SECONDS: Final = 5.0
RECOVER_SECONDS: Final = 120.0
USAGE_FILES: Final = 500_000
_ANSWER_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 3.0
_RESTART_SECONDS: Final = 0.5
_LONG_SECONDS: Final = 60.0
_Answer = tuple[Any, Sequence[int]]


class Namespace:
    """A broker and the way to ask it; `running` starts it, again when it dies, and ends it.

    At ``path``, where one is named, a broker listens that is a service of its own.
    """

    def __init__(
        self, notes: Path, run: str, path: Path | None = None, api: Path | None = None
    ) -> None:
        self._arguments = (str(notes), run)
        self._path = path
        self._api = api
        self._gone = asyncio.Event()
        self._socket: socket.socket | None = None
        self._process: Process | None = None
        self._numbers = itertools.count()
        self._harvesting = asyncio.Semaphore(WORKERS)
        self._waiting: dict[int, asyncio.Future[_Answer]] = {}

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._socket is not None

    async def attach(self, path: str) -> socket.socket:
        """Connect to conmon's socket at ``path``; the caller closes it. Raises PodmanError."""
        _, handed = await self._ask("attach", _ANSWER_SECONDS, path=path)
        if not handed:
            raise PodmanError("the broker sent no descriptor")
        return socket.socket(fileno=handed[0])

    async def take(self, pid: int, conmon: int) -> tuple[socket.socket, int] | None:
        """Take the socket that a sandbox's first process offers; None while it offers none.

        With it comes a pidfd of ``conmon``. The caller closes both. Raises PodmanError when
        there is none to be had.
        """
        _, handed = await self._ask("take", _ANSWER_SECONDS, pid=pid, conmon=conmon)
        return (socket.socket(fileno=handed[0]), handed[1]) if handed else None

    async def harvest(self, order: Order) -> Summary:
        """Take what a container that has ended changed; raises PodmanError."""
        seconds = order.caps.seconds + _ANSWER_SECONDS
        async with self._harvesting:  # its deadline begins with the work
            answer, _ = await self._ask("harvest", seconds, **order.to_json())
        return Summary(**answer)

    def note(self, name: str, order: Order, sensor: str, stream: int | None) -> None:
        """Have it harvested when this process is killed; returns at once.

        By a descriptor of its stream it is kept from ending before.
        """
        handed = () if stream is None else (stream,)
        self._tell("note", handed, name=name, order=order.to_json(), sensor=sensor)

    def forget(self, name: str) -> None:
        """Take a note back; returns at once."""
        self._tell("forget", name=name)

    async def recover(self, artifacts: Path) -> list[str]:
        """Harvest what is noted of a process that was killed, and name it; raises PodmanError."""
        answer, _ = await self._ask("recover", RECOVER_SECONDS, artifacts=str(artifacts))
        return [str(name) for name in answer]

    async def usage(
        self, upper: Path, pid: int = 0, others: Sequence[str] = (), seconds: float = USAGE_SECONDS
    ) -> Usage:
        """Add up what a sandbox takes on disk; raises PodmanError.

        Beside its upper directory that is what was deleted and is still open in a process of
        the namespace of ``pid``, and the files ``others``.
        """
        arguments = {
            "upper": str(upper),
            "pid": pid,
            "others": list(others),
            "seconds": seconds,
            "files": USAGE_FILES,
        }
        answer, _ = await self._ask("usage", seconds + _ANSWER_SECONDS, **arguments)
        return Usage(**answer)

    async def start(self) -> None:
        """Start it or connect to it; raises PodmanError when podman or that service is missing."""
        self._gone.clear()
        self._socket = await self._connect() if self._path else await self._spawn()
        asyncio.get_running_loop().add_reader(self._socket, self._readable, self._socket)

    async def _connect(self) -> socket.socket:
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003 - a standard name
        notes, run = self._arguments
        api = str(self._api) if self._api else ""
        try:
            ours.connect(str(self._path))
            ours.send(json.dumps({"notes": notes, "run": run, "api": api}).encode())
        except OSError as error:
            ours.close()
            raise PodmanError(
                f"no broker listens on {self._path} ({error.strerror}); start its unit, "
                "or leave HERMES_PODMAN__BROKER empty"
            ) from error
        return ours

    async def _spawn(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003 - a standard name
        command = ("podman", "unshare", sys.executable, "-m", "hermes.sandbox.broker")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, *self._arguments, stdin=theirs.fileno(), stdout=DEVNULL, stderr=DEVNULL
            )
        except OSError as error:
            ours.close()
            raise PodmanError(f"podman unshare could not be started: {error}") from error
        finally:
            theirs.close()
        return ours

    async def supervise(self) -> None:
        """Start it again whenever it ends, until cancelled; one that fails at once, ever later."""
        pause = _RESTART_SECONDS
        while True:
            began = monotonic()
            await (self._process.wait() if self._process else self._gone.wait())
            self._lose()
            lived = monotonic() - began
            pause = _RESTART_SECONDS if lived > _LONG_SECONDS else min(2 * pause, _LONG_SECONDS)
            log.warning("the broker ended; again in %g s", pause)
            await asyncio.sleep(pause)
            try:
                await self.start()
            except PodmanError as error:
                log.error("%s", error)  # noqa: TRY400 - one sentence; the next round tries again

    async def close(self) -> None:
        """End it; idempotent."""
        self._tell("leave")
        self._lose()
        process, self._process = self._process, None
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _ask(self, do: str, deadline: float, /, **arguments: Any) -> _Answer:
        if self._socket is None:
            raise PodmanError("the broker has ended")
        number = next(self._numbers)
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._socket.send(json.dumps({"id": number, "do": do, **arguments}).encode())
            return await asyncio.wait_for(answer, deadline)
        except (OSError, TimeoutError) as error:
            raise PodmanError(f"the broker did not {do}: {error!r}") from error
        finally:
            self._waiting.pop(number, None)

    def _tell(self, do: str, handed: Sequence[int] = (), /, **arguments: Any) -> None:
        """Send a message that wants no answer; a broker that is gone misses it."""
        if self._socket is None:
            return
        try:
            message = json.dumps({"id": -1, "do": do, **arguments}).encode()
            socket.send_fds(self._socket, [message], handed)
        except OSError as error:
            log.warning("the broker did not hear of %s: %s", do, error)

    def _readable(self, ours: socket.socket) -> None:
        try:
            message, handed, _, _ = socket.recv_fds(ours, LARGEST_MESSAGE, MOST_HANDED)
        except BlockingIOError:
            return
        except OSError:
            message, handed = b"", []
        if not message:
            self._lose()
            return
        self._resolve(json.loads(message), handed)

    def _resolve(self, document: dict[str, Any], handed: Sequence[int]) -> None:
        answer = self._waiting.get(document["id"])
        if answer is None or answer.done():
            for descriptor in handed:  # whoever asked has gone
                os.close(descriptor)
        elif error := document.get("error"):
            answer.set_exception(PodmanError(f"the broker failed: {error}"))
        else:
            answer.set_result((document["result"], handed))

    def _lose(self) -> None:
        self._gone.set()
        ours, self._socket = self._socket, None
        if ours is None:
            return
        asyncio.get_running_loop().remove_reader(ours)
        ours.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(PodmanError("the broker has ended"))


@contextlib.asynccontextmanager
async def running(
    notes: Path, run: str, path: Path | None = None, api: Path | None = None
) -> AsyncIterator[Namespace]:
    """A broker for as long as the context lasts, or the one that listens at ``path``.

    Such a broker deletes by podman's API at ``api`` where it has no podman program.
    """
    namespace = Namespace(notes, run, path, api)
    await namespace.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            supervising = tasks.create_task(namespace.supervise(), name="broker")
            try:
                yield namespace
            finally:
                supervising.cancel()
    finally:
        await namespace.close()
