"""What a client sends on one channel, in order, until his program takes it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

_MOST_ITEMS: Final = 256


@dataclass(frozen=True)
class Resize:
    """The client's window has changed."""

    columns: int
    rows: int


@dataclass(frozen=True)
class Signal:
    """The client asks for a signal (RFC 4254, 6.9)."""

    name: str


@dataclass(frozen=True)
class Eof:
    """The client will send no more."""


Input = bytes | Resize | Signal | Eof


class Inbox:
    """What the client sent, in order, until the program takes it."""

    def __init__(self) -> None:
        self._items: deque[Input] = deque()
        self._arrived = asyncio.Event()
        self._taking = False
        self.bytes = 0

    @property
    def idle(self) -> bool:
        """Whether the program has all that came, and somebody waits for more."""
        return self._taking and not self._items

    def put(self, item: Input) -> None:
        """Append; a resize replaces one that was not taken yet."""
        if isinstance(item, Resize) and self._items and isinstance(self._items[-1], Resize):
            self._items.pop()
        if isinstance(item, Signal) and len(self._items) >= _MOST_ITEMS:
            return  # nobody needs so many, and they cost the sender nothing
        self._items.append(item)
        self.bytes += len(item) if isinstance(item, bytes) else 0
        self._arrived.set()

    async def take(self) -> Input:
        """Wait for the next item."""
        self._taking = True
        try:
            while not self._items:
                self._arrived.clear()
                await self._arrived.wait()
        finally:
            self._taking = False
        item = self._items.popleft()
        self.bytes -= len(item) if isinstance(item, bytes) else 0
        return item
