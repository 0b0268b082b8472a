"""Podman's libpod API over its Unix socket.

podman-py carries the requests (it is synchronous, so each runs on a thread); what they say
is written here and in `hermes.sandbox.spec`, because its keyword arguments drop options.
The API is described at https://docs.podman.io/en/latest/_static/api.html.
"""

import asyncio
import contextlib
import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

import requests
from podman import PodmanClient
from podman.errors import PodmanError as ClientError

from hermes.errors import PodmanError, PodmanNotFoundError

API_VERSION: Final = "4.0.0"
REQUEST_SECONDS: Final = 20.0
_THREADS: Final = 8
_PIECE_BYTES: Final = 1 << 20
_OK: Final = 300
_NOT_FOUND: Final = 404

Body = bytes | IO[bytes] | None


class Engine:
    """A client of one podman API service; `close` ends its threads.

    A request that says no other time is given up when nothing came for ``seconds``.
    """

    def __init__(self, socket: Path, seconds: float = REQUEST_SECONDS) -> None:
        self.socket = socket
        self._seconds = seconds
        self._client = PodmanClient(base_url=f"unix://{socket}", version=API_VERSION)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="podman")

    async def close(self) -> None:
        """Wait for the requests under way and drop the connections; idempotent."""
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()  # type: ignore[no-untyped-call]

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        document: object = None,
        body: Body = None,
        seconds: float | None = None,
        settle: bool = False,
    ) -> bytes:
        """Send one request, with a JSON ``document`` or a tar ``body``, and return the answer.

        With ``settle`` every cancellation waits for the answer, at most ``seconds``, so that
        whoever cancels knows that nothing will be made behind his back.
        Raises PodmanNotFoundError for 404, PodmanError for any other failure.
        """
        data = json.dumps(document).encode() if document is not None else body
        send = functools.partial(
            getattr(self._client.api, method.lower()),
            path,
            params=dict(query or {}),
            data=data,
            headers={
                "Content-Type": "application/x-tar" if body is not None else "application/json"
            },
            timeout=self._seconds if seconds is None else seconds,
        )
        call = functools.partial(_perform, send, method, path)
        answer = asyncio.get_running_loop().run_in_executor(self._threads, call)
        return await (_settled(answer) if settle else answer)

    async def header(self, path: str, name: str, *, query: Mapping[str, str]) -> str | None:
        """Return one header of the answer to HEAD; raises as `request`."""
        send = functools.partial(
            self._client.api.head, path, params=dict(query), timeout=self._seconds
        )
        call = functools.partial(_header, send, path, name)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def download(
        self, path: str, *, query: Mapping[str, str] | None = None, most_bytes: int
    ) -> IO[bytes]:
        """Return the answer to GET as a file that the caller closes; large ones are on disk.

        Raises as `request`, and PodmanError for more than ``most_bytes``.
        """
        send = functools.partial(
            self._client.api.get,
            path,
            params=dict(query or {}),
            timeout=self._seconds,
            stream=True,
        )
        call = functools.partial(_download, send, path, most_bytes)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def json(self, method: str, path: str, **arguments: Any) -> Any:
        """Return what `request` answers, decoded."""
        answer = await self.request(method, path, **arguments)
        try:
            return json.loads(answer) if answer else None
        except ValueError as error:
            raise PodmanError(f"podman's answer to {method} {path} is no JSON") from error


async def _settled(answer: asyncio.Future[bytes]) -> bytes:
    """Wait for the answer however often the task is cancelled, and only then be cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not answer.done():
        try:
            await asyncio.wait([answer])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        answer.exception()  # seen: nobody is left to tell
        raise cancelled
    return answer.result()


def _perform(send: "functools.partial[requests.Response]", method: str, path: str) -> bytes:
    try:
        response = send()
        content: bytes = response.content
    except (requests.RequestException, ClientError, OSError) as error:
        raise PodmanError(f"podman's API did not answer {method} {path}: {error}") from error
    if response.status_code < _OK:
        return content
    reason = _reason(content)
    # A container deleted during the request is a failure of the server to some versions.
    gone = response.status_code == _NOT_FOUND or "no such container" in reason
    kind = PodmanNotFoundError if gone else PodmanError
    raise kind(f"podman refused {method} {path}: {reason}")


def _header(send: "functools.partial[Any]", path: str, name: str) -> str | None:
    try:
        response: requests.Response = send()
    except (requests.RequestException, ClientError, OSError) as error:
        raise PodmanError(f"podman's API did not answer HEAD {path}: {error}") from error
    _check_found(response, f"HEAD {path}", b"")
    return response.headers.get(name)


def _download(send: "functools.partial[Any]", path: str, most_bytes: int) -> IO[bytes]:
    with contextlib.ExitStack() as unwanted:
        file = unwanted.enter_context(tempfile.SpooledTemporaryFile(_PIECE_BYTES))
        try:
            response: requests.Response = send()
            with contextlib.closing(response):
                failed = response.status_code >= _OK
                _check_found(response, f"GET {path}", response.content if failed else b"")
                _pour(response, file, path, most_bytes)
        except (requests.RequestException, ClientError, OSError) as error:
            raise PodmanError(f"podman's API did not answer GET {path}: {error}") from error
        unwanted.pop_all()
    file.seek(0)
    return file


def _pour(response: requests.Response, file: IO[bytes], path: str, most_bytes: int) -> None:
    for piece in response.iter_content(_PIECE_BYTES):
        if file.tell() + len(piece) > most_bytes:
            raise PodmanError(f"podman's answer to GET {path} is larger than {most_bytes} bytes")
        file.write(piece)


def _check_found(response: requests.Response, what: str, content: bytes) -> None:
    if response.status_code >= _OK:
        kind = PodmanNotFoundError if response.status_code == _NOT_FOUND else PodmanError
        raise kind(f"podman refused {what}: {_reason(content) or response.status_code}")


def _reason(content: bytes) -> str:
    try:
        document = json.loads(content)
    except ValueError:
        return content[:200].decode(errors="replace")
    return str(document.get("message") or document.get("cause") or document)[:500]
