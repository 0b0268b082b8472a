"""The guest's init alone, spoken to in frames; its sanitizers' reports fail a test."""

import contextlib
import getpass
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hermes.image import guest_init
from hermes.sandbox.frames import Decoder, Frame, FromGuest, ToGuest, number_frame

ANSWER_SECONDS: Final = 20.0
_LIFE_SECONDS: Final = 120
_SANITIZED: Final = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_sanitized(directory: Path) -> Path:
    """Make the program that reports every misstep and ends at it; it knows this user alone."""
    program, passwd = directory / "init", directory / "passwd"
    passwd.write_text(f"{getpass.getuser()}:x:{os.getuid()}:{os.getgid()}::{directory}:/bin/sh\n")
    accounts = f'-DPASSWD="{passwd}"'
    command = ("cc", *guest_init.FLAGS, *_SANITIZED, accounts, "-o", program, guest_init.source())
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return program


class InitHost:
    """One running init, and all that it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], reports: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._reports = reports
        self._stdin, self._stdout = process.stdin, process.stdout
        self._decoder = Decoder()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self.frames: list[Frame] = []

    def send(self, *data: bytes) -> None:
        """Write frames; an init that has ended takes no more."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._stdin.fileno(), b"".join(data))

    def collect(self, seconds: float) -> bool:
        """Take what comes within that time; False at the end of the stream."""
        if not self._selector.select(seconds):
            return True
        data = os.read(self._stdout.fileno(), 1 << 20)
        self.frames.extend(self._decoder.feed(data))
        return bool(data)

    def expect(self, type_: FromGuest, channel: int = 0, count: int = 1) -> Frame:
        """Wait for so many frames of a type in a channel, and return the last."""
        until = time.monotonic() + ANSWER_SECONDS
        while len(self.of(type_, channel)) < count:
            assert time.monotonic() < until, f"no {type_.name}: {self.frames[-5:]}"
            assert self.collect(1.0), f"ended before {type_.name}: {self.frames[-5:]}"
        return self.of(type_, channel)[count - 1]

    def quiet(self, seconds: float = 0.3) -> None:
        """Collect until nothing comes for that long."""
        before = -1
        while before != len(self.frames):
            before = len(self.frames)
            self.collect(seconds)

    def of(self, type_: FromGuest, channel: int = 0) -> list[Frame]:
        """Return the frames of a type in a channel."""
        return [each for each in self.frames if (each.type, each.channel) == (type_, channel)]

    def output(self, channel: int = 0) -> bytes:
        """Return what a channel's program wrote."""
        return b"".join(each.payload for each in self.of(FromGuest.OUTPUT, channel))

    def end(self) -> int:
        """End its input, take what is left, and return its exit status; no report is made."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        while self.collect(ANSWER_SECONDS):
            pass
        status = self.process.wait(ANSWER_SECONDS)
        assert [path.read_text() for path in self._reports.glob("report*")] == []
        return status


@contextlib.contextmanager
def running(command: Sequence[Path | str], reports: Path) -> Iterator[InitHost]:
    """Start an init whose reports go to a directory, and kill it in the end."""
    options = f"log_path={reports / 'report'}:detect_leaks=0"
    environment = {"ASAN_OPTIONS": options, "UBSAN_OPTIONS": f"{options}:print_stacktrace=1"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | environment,
        bufsize=0,
    )
    host = InitHost(process, reports)
    host.send(number_frame(ToGuest.HELLO, 0, _LIFE_SECONDS))
    try:
        yield host
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
