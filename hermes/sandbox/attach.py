"""The one stream of a container.

Three ways lead to it. The first process of a sandbox offers a socket, which the broker takes
out of it: nobody stands between. conmon(8), the process that supervises a container, listens
on a SOCK_SEQPACKET socket of its own: a message from it is one byte that names the stream and
at most 8,192 bytes; a message to it is at most 32,768 raw bytes. The API's attach is the
documented way: the same bytes once more through podman's service, framed by 8-byte headers
(stream, three zeros, big-endian length).
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Final

from hermes.errors import PodmanError
from hermes.sandbox.engine import API_VERSION, Engine
from hermes.sandbox.namespace import Namespace
from hermes.sandbox.streams import ConmonStream, DirectStream, Receiver, Stream

log = logging.getLogger(__name__)

_API_HEADER: Final = 8
_API_STDOUT: Final = 1
_HEAD_END: Final = b"\r\n\r\n"
_LARGEST_HEAD: Final = 16 << 10
_SWITCHED: Final = (b"101", b"200")
_ATTACH_SECONDS: Final = 10.0
_OFFER_SECONDS: Final = 3.0
_OFFER_POLL_SECONDS: Final = 0.003


class ApiStream(asyncio.Protocol):
    """A stream over the API's attach."""

    def __init__(self, receiver: Receiver) -> None:
        self.attached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._receiver = receiver
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @property
    def descriptor(self) -> int | None:
        """None: podman's service stands between."""
        return None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a Unix socket's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the answer's head, then framed output."""
        self._buffer += data
        if not self.attached.done():
            self._take_head()
        if self.attached.done() and not self.attached.cancelled():
            self._take_frames()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, and the receiver."""
        if not self.attached.done():
            self.attached.set_exception(PodmanError(f"podman refused to attach: {exc}"))
        elif self._transport is not None:
            self._transport = None
            self._receiver.lost("its stream ended")

    def send(self, data: bytes) -> None:
        """Queue bytes."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Let go of the connection."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _take_head(self) -> None:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            if len(self._buffer) > _LARGEST_HEAD:
                self.close()
            return
        status = bytes(self._buffer[:end]).split(b" ", 2)[1:2]
        del self._buffer[: end + len(_HEAD_END)]
        if status and status[0] in _SWITCHED:
            self.attached.set_result(None)
        else:
            self.attached.set_exception(PodmanError(f"podman refused to attach: {status}"))

    def _take_frames(self) -> None:
        while len(self._buffer) >= _API_HEADER:
            size = int.from_bytes(self._buffer[4:_API_HEADER], "big")
            if len(self._buffer) < _API_HEADER + size:
                return
            data = bytes(self._buffer[_API_HEADER : _API_HEADER + size])
            stream = self._buffer[0]
            del self._buffer[: _API_HEADER + size]
            if stream == _API_STDOUT and self._transport is not None:
                self._receiver.data(data)


async def attach_by_api(engine: Engine, container: str, receiver: Receiver) -> ApiStream:
    """Attach to a container that is created or initialised; raises PodmanError."""
    path = f"/v{API_VERSION}/libpod/containers/{container}/attach"
    query = "stream=true&stdin=true&stdout=true&stderr=true&detachKeys="
    try:
        _, stream = await asyncio.get_running_loop().create_unix_connection(
            lambda: ApiStream(receiver), str(engine.socket)
        )
    except OSError as error:
        raise PodmanError(f"podman's API cannot be reached: {error}") from error
    stream.send(
        f"POST {path}?{query} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
        "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
    )
    try:
        await asyncio.wait_for(stream.attached, _ATTACH_SECONDS)
    except BaseException as error:  # cancelled too: nobody else would close it
        stream.close()
        if isinstance(error, TimeoutError):
            raise PodmanError(f"podman did not attach to {container} in time") from error
        raise
    return stream


class Attacher:
    """Attaches by the guest's own socket, else by conmon's, else by the API."""

    def __init__(self, engine: Engine, namespace: Namespace | None) -> None:
        self._engine = engine
        self._namespace = namespace

    async def attach(self, container: Mapping[str, Any], receiver: Receiver) -> Stream:
        """Attach to a running container, given podman's document; raises PodmanError."""
        if self._namespace is not None and self._namespace.alive:
            try:
                return await self._by_broker(self._namespace, container, receiver)
            except PodmanError as error:
                log.warning("attaching by podman's API instead: %s", error)
        return await attach_by_api(self._engine, str(container["Id"]), receiver)

    async def _by_broker(
        self, namespace: Namespace, container: Mapping[str, Any], receiver: Receiver
    ) -> Stream:
        try:
            return DirectStream(*await _taken(namespace, container["State"]), receiver)
        except PodmanError as error:
            log.debug("attaching by conmon instead: %s", error)
        path = str(Path(container["OCIConfigPath"]).with_name("attach"))
        return ConmonStream(await namespace.attach(path), receiver)


async def _taken(namespace: Namespace, state: Mapping[str, int]) -> tuple[socket.socket, int]:
    """Take the guest's socket as soon as it is offered; raises PodmanError."""
    deadline = monotonic() + _OFFER_SECONDS
    while monotonic() < deadline:
        if (taken := await namespace.take(state["Pid"], state["ConmonPid"])) is not None:
            return taken
        await asyncio.sleep(_OFFER_POLL_SECONDS)
    raise PodmanError(f"the guest offered no socket in {_OFFER_SECONDS:g} s")
