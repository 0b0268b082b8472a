"""Long-running programs, followed line by line and never left behind."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Sequence
from typing import Final

_GRACE_SECONDS: Final = 5.0
_LINE_BYTES: Final = 1 << 20


async def follow(command: Sequence[str], on_line: Callable[[str], None]) -> int:
    """Run a program in a session of its own and return its exit status.

    When this is cancelled, or Hermes dies, the program is asked to end and tidies up.
    """
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "TERM", *command),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
        limit=_LINE_BYTES,
    )
    assert process.stdout is not None  # noqa: S101 -- PIPE above
    try:
        async for line in process.stdout:
            on_line(line.decode(errors="replace").rstrip())
        return await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: Process) -> None:
    _signal(process, signal.SIGTERM)
    try:
        # Not asyncio.timeout: in a task that is being cancelled Python 3.11.2 takes its end for
        # one more cancellation.
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.killpg(process.pid, number)
