"""The control socket: one line of JSON asks the running service, one line answers.

Only the user that runs the service can open it (mode 0600).
"""

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from hermes.errors import ControlError

_ANSWER_SECONDS: Final = 5.0
_LONGEST_LINE: Final = 1 << 20

Answers = Mapping[str, Callable[[], Any]]


def control_path(runtime_dir: Path) -> Path:
    """Where the control socket is."""
    return runtime_dir / "control.sock"


@contextlib.asynccontextmanager
async def answering(path: Path, answers: Answers) -> AsyncIterator[None]:
    """Answer requests while the context lasts; ``answers`` maps a request to its document."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):  # the client's own affair
            async with asyncio.timeout(_ANSWER_SECONDS):
                request = json.loads(await reader.readline())
                document = answers[request]() if request in answers else None
                writer.write(json.dumps(document).encode() + b"\n")
                await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)  # noqa: ASYNC240 - on a tmpfs
    server = await asyncio.start_unix_server(answer, path)
    # Not by umask, which would hold for directories that another thread makes at that moment.
    path.chmod(0o600)  # noqa: ASYNC240
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)  # noqa: ASYNC240


def ask(path: Path, request: str) -> Any:
    """Ask the running service; blocks. Raises ControlError where none runs."""
    try:
        with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                return json.loads(lines.readline(_LONGEST_LINE))
    except (OSError, ValueError) as error:
        raise ControlError(
            f"no hermes is running here ({path} does not answer); start one with 'hermes up'"
        ) from error
