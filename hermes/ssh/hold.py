"""A session's hold on its sandbox, and the places of its channels."""

import asyncio
import contextlib
from collections.abc import Iterator
from time import monotonic

from hermes.errors import LeaseError
from hermes.evidence import events as ev
from hermes.evidence.record import SessionRecord
from hermes.guest import Lease, Lessor


class Hold:
    """Leases at the first channel and not before, so that scanners cost nothing."""

    def __init__(
        self, record: SessionRecord, lessor: Lessor, visitor: str, most_channels: int
    ) -> None:
        self._record = record
        self._lessor = lessor
        self._visitor = visitor
        self._most_channels = most_channels
        self._lease: Lease | None = None
        self._leasing = asyncio.Lock()
        self._waiting: set[asyncio.Task[object]] = set()
        self._open = 0
        self._numbers = 0

    async def enter(self) -> tuple[Lease, int]:
        """Take a place, and return the sandbox with the number of the new channel.

        Whoever got a place gives it back with `leave`. Raises LeaseError.
        """
        if self._open >= self._most_channels:
            raise LeaseError("too many channels")
        self._open += 1
        try:
            with self._cancelled_by_release():
                lease = await self._leased()
        except BaseException:  # cancelled too: the place is free again
            self._open -= 1
            raise
        number, self._numbers = self._numbers, self._numbers + 1
        return lease, number

    def leave(self) -> None:
        """Give back the place of a channel that has closed."""
        self._open -= 1

    def release(self) -> None:
        """Give up the sandbox, and stop waiting for one."""
        for task in self._waiting:
            task.cancel()
        if self._lease is not None:
            self._lease.release()

    async def _leased(self) -> Lease:
        async with self._leasing:
            if self._lease is None:
                asked = monotonic()
                self._lease = await self._lessor.lease(
                    self._record.session, self._visitor, self._record.directory
                )
                self._record.add(
                    ev.SandboxLeased(
                        **self._record.stamp(),
                        sandbox=self._lease.sandbox,
                        wait_seconds=monotonic() - asked,
                    )
                )
            return self._lease

    @contextlib.contextmanager
    def _cancelled_by_release(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)
