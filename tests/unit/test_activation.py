"""Sockets that another process passes, as systemd does it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hermes.errors import SettingsError
from hermes.systemd.activation import take_sockets
from tests.passing import passing

_CHILD = """
import json, os, subprocess, sys
from hermes.errors import SettingsError
from hermes.systemd.activation import take_sockets
try:
    sockets = take_sockets(os.environ)
except SettingsError as error:
    sys.exit(f"hermes: {error}")
seen = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False)
print(json.dumps({
    "addresses": [list(s.getsockname()[:2]) for s in sockets],
    "left": [name for name in os.environ if name.startswith("LISTEN_")],
    "inherited": sorted(set(seen.stdout.split()) & {"3", "4"} - {"3"}),
}))
"""


def passed(*descriptors: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start a process that is given these descriptors."""
    return subprocess.run(
        [*passing(*descriptors), sys.executable, "-c", _CHILD],
        pass_fds=descriptors,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_listening_sockets_are_taken_over() -> None:
    """IPv4 and IPv6, in their order; children get neither variables nor descriptors."""
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        done = passed(four.fileno(), six.fileno(), LISTEN_FDNAMES="a:b")
        addresses = [list(one.getsockname()[:2]) for one in (four, six)]
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["addresses"] == addresses
    assert document["left"] == []
    assert document["inherited"] == []


@pytest.mark.parametrize(
    ("family", "kind", "words"),
    [
        (socket.AF_INET, socket.SOCK_DGRAM, "is no TCP socket"),
        (socket.AF_UNIX, socket.SOCK_STREAM, "is no internet socket"),
        (socket.AF_INET, socket.SOCK_STREAM, "does not listen"),
    ],
)
def test_what_cannot_be_listened_on_is_refused(
    family: socket.AddressFamily, kind: socket.SocketKind, words: str
) -> None:
    """One sentence has the descriptor, its name, what it is, and what to write instead."""
    with socket.socket(family, kind) as wrong:
        done = passed(wrong.fileno(), LISTEN_FDNAMES="hermes.socket")
    (line,) = done.stderr.splitlines()
    assert f"descriptor 3 (hermes.socket), passed by systemd, {words}; " in line
    assert "ListenStream=" in line


def test_a_file_is_refused(tmp_path: Path) -> None:
    """What is no socket at all is said to be none."""
    with (tmp_path / "file").open("w") as file:
        assert "descriptor 3, passed by systemd, is no socket" in passed(file.fileno()).stderr


def test_what_was_passed_to_another_process_is_left_alone() -> None:
    """The process whose child this is had them: they are not used, and not passed on."""
    environment = {"LISTEN_PID": "2", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", "HOME": "/root"}
    assert take_sockets(environment) == []
    assert environment == {"HOME": "/root"}
    assert take_sockets({}) == []


def test_descriptors_that_are_not_there_are_named() -> None:
    """A count without sockets is a mistake that is told."""
    with pytest.raises(Exception, match="LISTEN_FDS is 99999, but descriptor"):
        take_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "99999"})


def test_podman_passes_sockets_to_process_1_whatever_its_number() -> None:
    """In a container that has the host's process numbers no other one is meant."""
    with pytest.raises(SettingsError, match="LISTEN_FDS is 99999"):
        take_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "99999"})
