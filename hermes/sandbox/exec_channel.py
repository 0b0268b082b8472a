"""A channel in a sandbox by podman's exec: the stream, its frames, and what controls it.

The attached stream is raw on a terminal; without one it comes in frames of an 8-byte header
(stream, three zeros, length big-endian), as Docker's attach API describes.
"""

import asyncio
import contextlib
import json
import struct
from asyncio import StreamReader, StreamWriter
from typing import Any, Final

from hermes.errors import GuestError, PodmanError
from hermes.evidence.recording import Screen
from hermes.guest import Output
from hermes.sandbox.engine import API_VERSION, Engine

_HEADER: Final = struct.Struct(">B3xI")
_STDERR: Final = 2
_READ_BYTES: Final = 32768
_ANSWER_SECONDS: Final = 10.0
_LONGEST_ANSWER: Final = 64 << 10
_EXIT_POLL_SECONDS: Final = 0.005
_SWITCHING_PROTOCOLS: Final = b"101"
# What podman writes into the stream when the runtime found no such program.
_NOT_STARTED: Final = (b"Error: ", b"OCI runtime")


async def run(engine: Engine, container: str, command: list[str]) -> str:
    """Run a short program as root and return what it printed; raises GuestError."""
    channel = await open_exec(engine, container, {"Cmd": command, "User": "root"})
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            text = await _collect(channel)
            status = await channel.exit_status()
    except TimeoutError as error:
        raise GuestError(f"{command[0]} did not end in time") from error
    finally:
        # Never a hang-up: it would run a program itself, and so on, in a box that answers wrongly.
        channel.drop()
    if status != 0:
        raise GuestError(f"{command[0]} ended with status {status}")
    return text.decode(errors="replace")


async def open_exec(
    engine: Engine, container: str, document: dict[str, Any], screen: Screen | None = None
) -> "ExecChannel":
    """Start a program; ``document`` is the body of libpod's exec create. Raises GuestError."""
    create = {
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "DetachKeys": "",
        "Tty": screen is not None,
        **document,
    }
    try:
        answer = await engine.json("POST", f"/containers/{container}/exec", document=create)
        exec_id = str(answer["Id"])
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await _attach(engine, exec_id, screen)
    except (PodmanError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise GuestError(f"no program could be started in {container}: {error}") from error
    terminal = screen is not None
    return ExecChannel(engine, container, exec_id, reader, writer, terminal=terminal)


class ExecChannel:
    """A running exec; see `hermes.guest.GuestChannel`."""

    def __init__(
        self,
        engine: Engine,
        container: str,
        exec_id: str,
        reader: StreamReader,
        writer: StreamWriter,
        *,
        terminal: bool,
    ) -> None:
        self._engine = engine
        self._container = container
        self._exec_id = exec_id
        self._reader = reader
        self._writer = writer
        self._terminal = terminal
        self._frame_left = 0
        self._frame_stderr = False
        self._ended = False
        self._first = True

    async def read(self) -> Output | None:
        """Wait for at most 32 KiB of output; None at its end."""
        try:
            output = await (self._read_raw() if self._terminal else self._read_framed())
        except OSError as error:
            raise GuestError(f"the stream of {self._container} broke: {error}") from error
        self._ended = output is None
        if output is not None and self._first:
            self._first = False
            self._check_started(output.data)
        return output

    async def write(self, data: bytes) -> None:
        """Feed input and wait until the transport's buffer has room."""
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError as error:
            raise GuestError(f"the stream of {self._container} broke: {error}") from error

    async def write_eof(self) -> None:
        """Half-close the stream of a program without a terminal."""
        if not self._terminal and self._writer.can_write_eof():
            self._writer.write_eof()

    async def resize(self, columns: int, rows: int) -> None:
        """Set the size of the terminal."""
        query = {"h": str(rows), "w": str(columns)}
        await self._control("POST", f"/exec/{self._exec_id}/resize", query=query)

    async def signal(self, name: str) -> None:
        """Send a signal to the program; one that has ended is left alone."""
        exec_ = await self._control("GET", f"/exec/{self._exec_id}/json")
        if exec_["Running"] and (pid := await asyncio.to_thread(_pid_inside, int(exec_["Pid"]))):
            kill = ["/bin/sh", "-c", 'kill -s "$1" "$2"', "sh", name, str(pid)]
            await run(self._engine, self._container, kill)

    async def exit_status(self) -> int:
        """Wait for podman to know the status; raises GuestError when it never does."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while True:
                    exec_ = await self._control("GET", f"/exec/{self._exec_id}/json")
                    if not exec_["Running"]:
                        return int(exec_["ExitCode"])
                    await asyncio.sleep(_EXIT_POLL_SECONDS)
        except TimeoutError as error:
            raise GuestError(f"{self._container} gave no exit status") from error

    async def close(self) -> None:
        """Hang up on a program that still runs, and drop the stream."""
        if self._writer.is_closing():
            return
        self._writer.close()
        if not self._ended:
            with contextlib.suppress(GuestError):  # the sandbox went first
                await self.signal("HUP")

    def drop(self) -> None:
        """Drop the stream and leave the program to the end of its sandbox."""
        self._writer.close()

    def _check_started(self, data: bytes) -> None:
        """Keep the runtime's words from the attacker, who may have removed his shell."""
        prefix, name = _NOT_STARTED
        if data.startswith(prefix) and name in data:
            raise GuestError(f"{self._container} has no such program: {data[:200]!r}")

    async def _read_raw(self) -> Output | None:
        data = await self._reader.read(_READ_BYTES)
        return Output(data) if data else None

    async def _read_framed(self) -> Output | None:
        while not self._frame_left:
            try:
                header = await self._reader.readexactly(_HEADER.size)
            except asyncio.IncompleteReadError:
                return None
            stream, self._frame_left = _HEADER.unpack(header)
            self._frame_stderr = stream == _STDERR
        data = await self._reader.read(min(self._frame_left, _READ_BYTES))
        self._frame_left -= len(data)
        return Output(data, stderr=self._frame_stderr) if data else None

    async def _control(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            return await self._engine.json(method, path, **arguments)
        except PodmanError as error:
            raise GuestError(f"{self._container} could not be asked: {error}") from error


async def _attach(
    engine: Engine, exec_id: str, screen: Screen | None
) -> tuple[StreamReader, StreamWriter]:
    reader, writer = await asyncio.open_unix_connection(engine.socket, limit=_READ_BYTES * 2)
    start: dict[str, object] = {"Detach": False, "Tty": screen is not None}
    if screen is not None:
        start |= {"h": screen.rows, "w": screen.columns}
    body = json.dumps(start).encode()
    writer.write(
        f"POST /v{API_VERSION}/libpod/exec/{exec_id}/start HTTP/1.1\r\nHost: d\r\n"
        f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if head.split(b" ", 2)[1] != _SWITCHING_PROTOCOLS:
        writer.close()
        raise PodmanError(f"podman refused to start exec {exec_id}")
    return reader, writer


async def _collect(channel: ExecChannel) -> bytes:
    """Read standard output to its end; what answers is in the attacker's hands, so bounded."""
    text = b""
    while (output := await channel.read()) is not None:
        text += b"" if output.stderr else output.data
        if len(text) > _LONGEST_ANSWER:
            raise GuestError("a program answered too much")
    return text


def _pid_inside(pid: int) -> int | None:
    """Translate a process id to its innermost namespace by proc(5)'s NSpid; None when gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            line = next(line for line in status if line.startswith("NSpid:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[-1])
