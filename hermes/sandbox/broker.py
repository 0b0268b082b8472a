"""A process in the service user's user namespace, which may touch what sub-ids own.

``podman unshare python -m hermes.sandbox.broker NOTES RUN`` with a SOCK_SEQPACKET socket
as standard input, or with ``--listen PATH`` as a service of its own, whose clients begin with
``{"notes", "run", "api"}``. A request is ``{"id", "do", …}``, an answer ``{"id", "error"}`` or
``{"id", "result"}``, each one JSON message; those to ``attach`` and ``take`` carry a
descriptor; ``note``, ``forget`` and ``leave`` are not answered; ``note`` may bring the
descriptor of a sandbox's stream, which is kept until ``forget``, so that it does not end with the
service.

It ends with its socket. When that is closed without ``leave``, the service was killed, and the
broker does for it what cannot wait.
"""

import contextlib
import ctypes
import errno
import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hermes.sandbox.harvest import usage
from hermes.sandbox.reaper import Reaper
from hermes.sandbox.traces import remove_marks
from hermes.systemd.notify import Notifier

LARGEST_MESSAGE = 64 << 10
MOST_HANDED = 2
OFFERED = 201
_PIDFD_GETFD = 438
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
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
        remove_marks(pid)
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
        while received := self._receive():
            message, handed = received
            request = json.loads(message)
            number, do = request.pop("id"), request.pop("do")
            if do == "leave":
                return True
            if do == "attach":
                self._hand_over(number, partial(reach, **request))
            elif do == "take":
                self._hand_over(number, partial(take, **request))
            elif do == "note":
                self._reaper.hold(request["name"], handed)
                with contextlib.suppress(OSError):  # a full disk: then there is no note
                    self._reaper.note(**request)
            elif do == "forget":
                self._reaper.forget(**request)
            else:
                workers = self._looker if do == "usage" else self._workers
                workers.submit(self._perform, number, self._deeds[do], request)
        return False

    def _receive(self) -> tuple[bytes, list[int]] | None:
        try:
            message, handed, _, _ = socket.recv_fds(self._asked, LARGEST_MESSAGE, MOST_HANDED)
        except ConnectionError:  # killed with answers unread
            return None
        return (message, handed) if message else None

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


def serve(asked: socket.socket, notes: Path, run: str, api: Path | None = None) -> None:
    """Serve one run of a service to its end, and do what is left to do when it was killed."""
    reaper = Reaper(notes, run, api)
    if Broker(asked, reaper).serve():
        reaper.let_go()
    else:
        reaper.reap()


def listen(path: Path) -> None:
    """Serve whoever connects as the same user; SIGTERM ends that when what was begun is done."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    path.unlink(missing_ok=True)
    os.umask(0o177)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        os.umask(0o077)
        listening.listen()
        Notifier.taken_from(os.environ).ready()
        while True:
            asked, _ = listening.accept()
            threading.Thread(target=_welcome, args=(asked,)).start()


def _welcome(asked: socket.socket) -> None:
    with asked:
        peer = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(peer)[1] != os.getuid():
            return
        try:
            first = json.loads(asked.recv(LARGEST_MESSAGE))
            notes, run, api = Path(first["notes"]), str(first["run"]), first.get("api")
        except (OSError, ValueError, KeyError, TypeError):  # nobody that we know
            return
        serve(asked, notes, run, Path(api) if api else None)


def main() -> None:
    """Serve on standard input, or on a socket of its own."""
    if sys.argv[1] == "--listen":
        listen(Path(sys.argv[2]))
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # those are for the service, which then says so
    notes, run = sys.argv[1:]
    with socket.socket(fileno=sys.stdin.fileno()) as asked:
        serve(asked, Path(notes), run)


if __name__ == "__main__":
    main()
