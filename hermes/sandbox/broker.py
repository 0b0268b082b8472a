"""A process in the service user's user namespace, which may touch what sub-ids own.

``podman unshare python -m hermes.sandbox.broker NOTES RUN`` with a SOCK_SEQPACKET socket
as standard input. A request is ``{"id", "do", …}``, an answer ``{"id", "error"}`` or ``{"id",
"result"}``, each one JSON message; those to ``attach`` and ``take`` carry a descriptor; ``note``,
``forget`` and ``leave`` are not answered. It ends with its socket. When that is closed without
``leave``, the service was killed, and the broker does for it what cannot wait.
"""

import contextlib
import ctypes
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hermes.sandbox.harvest import usage
from hermes.sandbox.reaper import Reaper

LARGEST_MESSAGE = 64 << 10
MOST_HANDED = 2
OFFERED = 201
_PIDFD_GETFD = 438
_LIBC = ctypes.CDLL(None, use_errno=True)
WORKERS = 2


def connect(path: str) -> socket.socket:
    """Connect to conmon's socket; its path may be longer than a socket address can hold."""
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)  # noqa: PTH120
    try:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connected.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")  # noqa: PTH119
        except OSError:
            connected.close()
            raise
        return connected
    finally:
        os.close(directory)


def reach(path: str) -> list[int]:
    """Connect to conmon's socket, for somebody else."""
    return [connect(path).detach()]


def take(pid: int, conmon: int) -> list[int]:
    """Take the socket that the first process of a sandbox offers, by pidfd_getfd(2).

    Behind it comes a pidfd of the sandbox's conmon. Raises BlockingIOError while nothing is
    offered yet.
    """
    supervisor, process = os.pidfd_open(conmon), os.pidfd_open(pid)
    number = _LIBC.syscall(_PIDFD_GETFD, process, OFFERED, 0)
    failure = ctypes.get_errno()
    os.close(process)
    if number >= 0:
        return [number, supervisor]
    os.close(supervisor)
    if failure == errno.EBADF:
        raise BlockingIOError(failure, "nothing is offered yet")
    raise OSError(failure, os.strerror(failure))


class Broker:
    """Answers requests until the socket's other end is closed."""

    def __init__(self, asked: socket.socket, reaper: Reaper) -> None:
        self._asked = asked
        self._reaper = reaper
        self._workers = ThreadPoolExecutor(WORKERS)
        self._looker = ThreadPoolExecutor(1)  # whose answers nobody's harvest may hold up
        self._deeds: dict[str, Callable[..., Any]] = {
            "harvest": reaper.harvest,
            "usage": usage,
            "recover": reaper.recover,
        }

    def serve(self) -> bool:
        """Answer, what takes long on a worker; True when the service took its leave.

        What was begun is done afterwards: nobody may begin it a second time meanwhile.
        """
        with self._workers:
            return self._serve()

    def _serve(self) -> bool:
        while message := self._receive():
            request = json.loads(message)
            number, do = request.pop("id"), request.pop("do")
            if do == "leave":
                return True
            if do == "attach":
                self._hand_over(number, partial(reach, **request))
            elif do == "take":
                self._hand_over(number, partial(take, **request))
            elif do in ("note", "forget"):
                with contextlib.suppress(OSError):  # a full disk: then there is no note
                    getattr(self._reaper, do)(**request)
            else:
                workers = self._looker if do == "usage" else self._workers
                workers.submit(self._perform, number, self._deeds[do], request)
        return False

    def _receive(self) -> bytes:
        try:
            return self._asked.recv(LARGEST_MESSAGE)
        except ConnectionError:  # killed with answers unread
            return b""

    def _hand_over(self, number: int, get: Callable[[], list[int]]) -> None:
        try:
            handed = get()
        except BlockingIOError:
            self._answer({"id": number, "result": None})
        except OSError as error:
            self._answer({"id": number, "error": str(error)})
        else:
            self._answer({"id": number, "result": None}, handed)
            for descriptor in handed:
                os.close(descriptor)

    def _perform(self, number: int, deed: Callable[..., Any], request: dict[str, Any]) -> None:
        try:
            self._answer({"id": number, "result": deed(**request)})
        except Exception as error:  # noqa: BLE001 - whatever it was, the service waits for an answer
            self._answer({"id": number, "error": repr(error)})

    def _answer(self, document: dict[str, Any], descriptors: list[int] | None = None) -> None:
        with contextlib.suppress(ConnectionError):  # nobody listens any more
            socket.send_fds(self._asked, [json.dumps(document).encode()], descriptors or [])


def main() -> None:
    """Serve on standard input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # those are for the service, which then says so
    notes, run = sys.argv[1:]
    reaper = Reaper(Path(notes), run)
    with socket.socket(fileno=sys.stdin.fileno()) as asked:
        if not Broker(asked, reaper).serve():
            reaper.reap()


if __name__ == "__main__":
    main()
