"""The guest's init alone: every frame is answered as it should be, and none does it harm."""

import getpass
import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hermes.evidence.recording import Screen
from hermes.guest import ChannelRequest
from hermes.sandbox import frames
from hermes.sandbox.frames import FromGuest, ToGuest
from hermes.sandbox.multiplexer import WINDOW
from tests.integration.init_host import InitHost, compile_sanitized, running
from tests.vectors import vectors

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc: run scripts/test"),
    pytest.mark.skipif(os.geteuid() == 0, reason="root's logins would be recorded here"),
]

Begin = Callable[[], InitHost]
SEEDS = range(20)
_STARTS = 5


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with its sanitizers, compiled once."""
    return compile_sanitized(tmp_path_factory.mktemp("init"))


@pytest.fixture
def begin(program: Path, tmp_path: Path) -> Iterator[Begin]:
    """Start inits; whatever a test does to them, none of their processes may report anything."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(running([program], tmp_path))
    assert [path.read_text() for path in tmp_path.glob("report*")] == []


def opening(
    channel: int, command: str, screen: Screen | None = None, window: int = WINDOW
) -> bytes:
    """Ask for a command as the user who tests."""
    request = ChannelRequest(getpass.getuser(), command, screen, "192.0.2.7")
    return frames.open_frame(channel, window, request)


def test_every_vector_is_accepted_and_answered(begin: Begin) -> None:
    """Two channels' lives and the end of all: then it still waits, but opens none."""
    init = begin()
    for vector in vectors("to_guest"):
        init.send(bytes.fromhex(vector["hex"]))
        if answer := vector.get("answer"):
            init.expect(FromGuest[answer], vector["channel"])
    init.send(opening(5, "echo still here"))
    assert init.expect(FromGuest.FAILED, 5).payload == b"\1"
    assert init.end() == 0


_MALFORMED = vectors("malformed_to_guest")


@pytest.mark.parametrize("vector", _MALFORMED, ids=[each["name"] for each in _MALFORMED])
def test_a_malformed_frame_ends_it_or_is_passed_over(begin: Begin, vector: dict[str, Any]) -> None:
    """Neither leaves it in a state that was not meant."""
    init = begin()
    init.expect(FromGuest.READY)
    init.send(bytes.fromhex(vector["hex"]))
    if vector["ends"]:
        assert init.process.wait(10) == 1
        return
    init.send(opening(64, "exit 7"))
    assert init.expect(FromGuest.EXITED, 64).payload == b"\0\7"
    assert init.end() == 0


def test_input_beyond_the_window_ends_it(begin: Begin) -> None:
    """The first byte that it did not grant, while its program takes nothing."""
    init = begin()
    init.send(opening(0, "sleep 20"))
    init.expect(FromGuest.OPENED)
    part = frames.frame(ToGuest.DATA, 0, b"x" * (16 << 10))
    for _ in range(9):
        init.send(part)
    assert init.process.wait(10) == 1


def test_input_is_acknowledged_in_steps(begin: Begin) -> None:
    """A key is answered by its echo alone, and no byte of a large input is forgotten."""
    init = begin()
    init.send(opening(0, "cat"))
    init.expect(FromGuest.OPENED)
    step = 16 << 10
    for size in (1, step - 2):
        init.send(frames.frame(ToGuest.DATA, 0, b"x" * size))
    init.quiet()
    assert init.output() == b"x" * (step - 1)
    assert init.of(FromGuest.TAKEN) == []
    init.send(frames.frame(ToGuest.DATA, 0, b"x"))
    assert init.expect(FromGuest.TAKEN).number == step
    assert init.end() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_no_bytes_make_it_stumble(begin: Begin, seed: int) -> None:
    """Frames of every type with wrong sizes, and noise, end it or do not, without a report."""
    dice = random.Random(seed)  # noqa: S311 -- noise, not secrets
    for _ in range(_STARTS):
        init = begin()
        for _ in range(dice.randint(1, 12)):
            init.send(_noise(dice))
        init.quiet(0.02)
        assert init.end() in (0, 1)


def _noise(dice: random.Random) -> bytes:
    kind, channel = dice.choice([*ToGuest, dice.randint(0, 255)]), dice.randint(0, 3)
    size = dice.choice([0, 1, 2, 4, 5, 9, dice.randint(0, 3000)])
    texts = b"\0\0\1\0\1\0\x50\0\x18root\0true\0xterm\0192.0.2.7\0A=b\0"
    payload = dice.choice([dice.randbytes(size), bytes(size), texts, texts[: size or 1]])
    if kind == ToGuest.SIGNAL:  # a program of the user's own might be hit
        payload = b"\0"
    if kind == ToGuest.OPEN and payload is not texts:
        payload = payload[:12]
    return frames._HEADER.pack(kind, channel, len(payload)) + payload


def test_output_that_nobody_takes_stops_at_its_window(begin: Begin) -> None:
    """To the byte, and a second channel is answered meanwhile."""
    init = begin()
    init.send(opening(0, "cat /dev/zero"))
    init.expect(FromGuest.OPENED)
    init.quiet()
    assert len(init.output(0)) == WINDOW
    init.send(opening(1, "echo second"))
    init.expect(FromGuest.EXITED, 1)
    assert init.output(1) == b"second\n"
    init.send(frames.number_frame(ToGuest.WINDOW, 0, 1000))
    init.quiet()
    assert len(init.output(0)) == WINDOW + 1000
    init.send(frames.frame(ToGuest.CLOSE, 0))
    init.expect(FromGuest.CLOSED, 0)
    assert init.end() == 0


def test_a_lowered_limit_of_descriptors_does_not_stop_it(begin: Begin) -> None:
    """Channels that are open go on, it does not spin, and new ones are refused."""
    init = begin()
    init.send(opening(0, "cat"), opening(1, "sleep 30"))
    init.expect(FromGuest.OPENED, 0)
    init.expect(FromGuest.OPENED, 1)
    resource.prlimit(init.process.pid, resource.RLIMIT_NOFILE, (3, 3))
    init.send(frames.frame(ToGuest.DATA, 0, b"echo\n"))
    init.expect(FromGuest.OUTPUT, 0)
    init.send(opening(2, "true"))
    assert init.expect(FromGuest.FAILED, 2).payload == b"\2"
    before = _cpu_ticks(init.process.pid)
    time.sleep(1)
    assert _cpu_ticks(init.process.pid) - before < 20
    assert init.end() == 0


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_channels_leave_no_descriptor_behind(begin: Begin) -> None:
    """All that there are at once and again, within a limit that one round just fits into."""
    init = begin()
    init.expect(FromGuest.READY)
    limit = 4 * frames.CHANNELS + 16
    resource.prlimit(init.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    for life in range(1, 4):
        for number in range(frames.CHANNELS):
            init.send(opening(number, "exit 3"))
        for number in range(frames.CHANNELS):
            init.expect(FromGuest.EXITED, number, life)
            init.send(frames.frame(ToGuest.CLOSE, number))
            init.expect(FromGuest.CLOSED, number, life)
    assert all(each.payload == b"\0\3" for each in init.frames if each.type is FromGuest.EXITED)
    assert init.end() == 0
