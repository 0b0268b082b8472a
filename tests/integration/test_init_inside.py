"""The guest's init as process 1 of a container whose root is hostile."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.evidence.recording import Screen
from hermes.guest import ChannelRequest
from hermes.sandbox import frames
from hermes.sandbox.frames import FromGuest
from hermes.sandbox.multiplexer import WINDOW
from tests.integration.init_host import InitHost, running

pytestmark = pytest.mark.podman

TERMINAL = Screen("xterm", 80, 24)


@pytest.fixture
def init(image: str, tmp_path: Path) -> Iterator[InitHost]:
    """A container of the decoy, and nothing of Hermes around it."""
    command = ["podman", "run", "--rm", "--interactive", "--network=none", image, "/sbin/init"]
    with running(command, tmp_path) as host:
        host.expect(FromGuest.READY)
        yield host
        host.end()


def run(init: InitHost, number: int, command: str, screen: Screen | None = None) -> bytes:
    """Run a command as root in a channel, and return what it wrote."""
    request = ChannelRequest("root", command, screen, "192.0.2.7")
    init.send(frames.open_frame(number, WINDOW, request))
    init.expect(FromGuest.EXITED, number)
    init.expect(FromGuest.NO_OUTPUT, number)
    return init.output(number)


def test_the_numbers_are_those_of_a_server_that_has_booted(init: InitHost) -> None:
    """Hundreds were used before the first visitor; no zombie tells how, and limits are kept."""
    told = run(init, 0, "echo $$; ulimit -Sn; grep -h ^State: /proc/[0-9]*/status").decode()
    number, files, *states = told.splitlines()
    assert 270 <= int(number) < 1000
    assert int(files) > 100
    assert not [state for state in states if "zombie" in state]


def test_fifos_in_place_of_its_files_hold_up_no_login(init: InitHost) -> None:
    """A login is not recorded there, and without accounts it fails, both at once."""
    run(init, 0, "mkdir -p /var/run /var/log; mkfifo /var/run/utmp /var/log/wtmp /var/log/lastlog")
    begun = time.monotonic()
    assert b"in" in run(init, 1, "echo in", TERMINAL)
    run(init, 2, "rm /etc/passwd; mkfifo /etc/passwd")
    request = ChannelRequest("root", "true", TERMINAL)
    init.send(frames.open_frame(3, WINDOW, request))
    assert init.expect(FromGuest.FAILED, 3).payload == b"\4"
    assert time.monotonic() - begun < 5


def test_it_outlives_whatever_root_kills(init: InitHost) -> None:
    """With every other process gone, its listener too, the next login is let in."""
    run(init, 0, "kill -KILL 1; kill -STOP 1; kill -KILL -1")
    time.sleep(0.2)  # a login in the moment of the kill is lost with the listener, as with sshd
    assert run(init, 1, "echo alive") == b"alive\n"


def test_a_device_of_terminals_that_is_none_refuses_only_terminals(init: InitHost) -> None:
    """It neither waits for the impostor nor loses what it opened."""
    run(init, 0, "rm -f /dev/ptmx; mkfifo /dev/ptmx")
    init.send(frames.open_frame(1, WINDOW, ChannelRequest("root", "true", TERMINAL)))
    assert init.expect(FromGuest.FAILED, 1).payload == b"\2"
    assert run(init, 2, "echo pipes") == b"pipes\n"
