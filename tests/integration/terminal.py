"""A pseudo-terminal for the commands that draw."""

import contextlib
import os
import pty
import re
import subprocess
import termios
from typing import Any, Self

from tests.integration.running import Hermes, wait_for


class Terminal:
    """A program on a pseudo-terminal of 100 columns."""

    def __init__(self, command: list[str], hermes: Hermes) -> None:
        self._master, slave = pty.openpty()
        environment = {**hermes.environment, "COLUMNS": "140", "LINES": "40", "TERM": "xterm"}
        self.process = subprocess.Popen(
            command, env=environment, stdin=slave, stdout=slave, stderr=slave, cwd=hermes.directory
        )
        os.close(slave)
        os.set_blocking(self._master, False)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until the output has the pattern in it, colours left out."""

        def found() -> re.Match[str] | None:
            with contextlib.suppress(OSError):  # nothing to read now, or the program has ended
                self.seen += os.read(self._master, 65536).decode(errors="replace")
            return re.search(pattern, self.seen) or re.search(
                pattern, re.sub(r"\x1b\[[0-9;]*m", "", self.seen)
            )

        match = wait_for(found, 30.0, lambda: self.seen[-2000:])
        assert match is not None
        return match

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    def modes(self) -> list[Any]:
        """Return how the terminal is set, as termios(3) tells it."""
        return termios.tcgetattr(self._master)
