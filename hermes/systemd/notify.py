"""How the service is, told to systemd: sd_notify(3), and its watchdog.

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Final, Self

_WATCHDOG_SECONDS: Final = 10.0
"""Between signs of life where nobody says how often: a container is not told."""
_LOOK_SECONDS: Final = 1.0
"""Between looks at what there is to tell, and so between two texts of the status."""
_PATIENCE_USEC: Final = 60_000_000
"""How much longer a start or a stop may take, counted from each sign of life."""
_STUCK_SECONDS: Final = 600.0
"""After so long without a new status more time is asked for no longer: a manager may end it."""
_FULL: Final = (errno.EAGAIN, errno.ENOBUFS)


class Notifier:
    """Tells the manager of the service; without a socket of one it says nothing."""

    def __init__(self, address: str = "", beat_seconds: float = _WATCHDOG_SECONDS) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._beat_seconds = min(beat_seconds, _WATCHDOG_SECONDS)
        self._untold: dict[str, str] = {}
        self._changing = True
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(0)

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Self:
        """Use what systemd passed, and take it away: no child speaks for the service."""
        address = environment.pop("NOTIFY_SOCKET", "")
        watched = environment.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        interval = environment.pop("WATCHDOG_USEC", "")
        if watched and interval.isdecimal() and int(interval):
            return cls(address, int(interval) / 3e6)
        return cls(address)

    def ready(self) -> None:
        """Say that visitors are served, at first or again."""
        self._changing = False
        self._tell(READY="1")

    def reloading(self) -> None:
        """Say that settings are read again; `ready` ends it."""
        self._tell(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._changing = True
        self._tell(STOPPING="1")

    def failed(self, sentence: str, status: int) -> None:
        """Say why the service ends, with its exit status."""
        self._tell(STATUS=sentence, EXIT_STATUS=str(status))

    async def beat(self, status: Callable[[], str]) -> None:
        """Tell the status when it changes, and of life from this event loop, until cancelled."""
        if self._socket is None:
            return
        told, due, moved = "", 0.0, time.monotonic()
        while True:
            now = time.monotonic()
            if told != (text := status()):
                told, moved = text, now
                self._tell(STATUS=text)
            if now >= due:
                due = now + self._beat_seconds
                self._tell_of_life(moves=now - moved < _STUCK_SECONDS)
            await asyncio.sleep(min(_LOOK_SECONDS, self._beat_seconds))

    def _tell_of_life(self, *, moves: bool) -> None:
        if self._changing and moves:
            self._tell(WATCHDOG="1", EXTEND_TIMEOUT_USEC=str(_PATIENCE_USEC))
        else:
            self._tell(WATCHDOG="1")

    def _tell(self, **assignments: str) -> None:
        """Send assignments, with those that there was no room for before."""
        if self._socket is None:
            return
        self._untold |= {name: " ".join(text.split()) for name, text in assignments.items()}
        message = "\n".join(f"{name}={text}" for name, text in self._untold.items())
        try:
            self._socket.sendto(message.encode(errors="replace"), self._address)
        except OSError as error:
            if error.errno in _FULL:
                return  # the manager lags behind: said with the next
        self._untold.clear()  # also when nobody listens: the service does not depend on it

    def close(self) -> None:
        """Give back the socket; idempotent."""
        if self._socket is not None:
            self._socket.close()
