"""The signals that end or reload the service, caught while it lives."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Final, Self

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Cancels the task that caught them until it waits in `ending`; ``number`` says which came."""

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.number: int | None = None
        self._task: asyncio.Task[object] | None = task
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Queue[int] = asyncio.Queue()

    @classmethod
    @contextlib.contextmanager
    def caught(cls) -> Iterator[Self]:
        """Catch them for the running task; afterwards the handlers are those of before."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        signals = cls(task)
        before = {n: signal.signal(n, signals._handle) for n in (*_ENDING, signal.SIGHUP)}
        try:
            yield signals
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def ending(self, reload: Callable[[], Awaitable[None]]) -> None:
        """Wait for a signal that ends the service; each SIGHUP calls ``reload``."""
        self._task = None
        while await self._came.get() == signal.SIGHUP:
            await reload()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._loop.call_soon_threadsafe(self._note, number)

    def _note(self, number: int) -> None:
        self._came.put_nowait(number)
        if number in _ENDING and self.number is None:
            self.number = number
            if self._task is not None:
                self._task.cancel()
