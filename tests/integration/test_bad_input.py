"""What goes wrong at the start is one sentence with the fix, and an exit code."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running import Hermes, Start, banner_of, wait_for

Make = Callable[..., Hermes]


def sentence(hermes: Hermes, *arguments: str, code: int) -> str:
    """Run a command that fails, and return its one line on stderr; log lines may precede."""
    done = hermes.cli(*(arguments or ("up",)), check=False)
    assert done.returncode == code, done.stderr
    *before, line = done.stderr.splitlines()
    assert all(" WARNING " in other or " INFO " in other for other in before), done.stderr
    assert line.startswith("hermes: ")
    return line


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SSH__PORT", "70000", "less than or equal to 65535"),
        ("SSH__PROT", "22", "did you mean HERMES_SSH__PORT?"),
        ("SANDBOX__MEMORY", "lots", "should be a size such as"),
        ("NETWORK_MODE", "host", "is no setting"),
        ("POOL__SIZE", "50", "HERMES_POOL__MAX"),
        ("SSH__BANNER", "hello", "HERMES_SSH__BANNER"),
        ("LIMITS__SESSION_SECONDS", "10", "greater than or equal to 60"),
        ("LIMITS__STARTUPS", "10", "as sshd's MaxStartups"),
        ("SANDBOX__CAPABILITIES", "chown", "HERMES_SANDBOX__CAPABILITIES"),
        ("SSH__PROXY_PROTOCOL", "192.0.2.1/8", "should be networks such as"),
    ],
)
def test_a_wrong_setting_is_named(make_hermes: Make, name: str, value: str, words: str) -> None:
    """The sentence names the setting, its value, where it came from, and what is right."""
    line = sentence(make_hermes(**{name: value}), code=2)
    assert name in line
    assert words in line
    if name != "POOL__SIZE":
        assert "(from environment)" in line


def test_a_wrong_userdb_is_named(make_hermes: Make, tmp_path: Path) -> None:
    """A malformed line of the userdb is shown with its number."""
    path = tmp_path / "users"
    path.write_text("root:x:one\nroot\n")
    line = sentence(make_hermes(AUTH__USERDB=str(path)), code=2)
    assert f"{path}, line 2" in line
    assert "cannot be read" in sentence(make_hermes(AUTH__USERDB="/nonexistent"), code=2)


def test_a_taken_port_is_named(make_hermes: Make) -> None:
    """The sentence names the address and both settings."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = sentence(make_hermes(SSH__PORT=str(port)), code=1)
    assert f"127.0.0.1:{port} cannot be listened on" in line
    assert "HERMES_SSH__PORT" in line


def test_a_missing_podman_is_named(make_hermes: Make, tmp_path: Path) -> None:
    """Without podman on the PATH the sentence says how to get it."""
    hermes = make_hermes()
    hermes.environment["PATH"] = str(tmp_path)
    assert "podman is not installed" in sentence(hermes, code=1)


def test_a_silent_podman_is_named(make_hermes: Make, tmp_path: Path) -> None:
    """A configured socket that nobody answers on is named with a way out."""
    line = sentence(make_hermes(PODMAN__SOCKET=str(tmp_path / "none.sock")), code=1)
    assert "no podman API answers on" in line
    assert "HERMES_PODMAN__SOCKET" in line


def test_a_missing_image_is_named(make_hermes: Make) -> None:
    """An image that podman does not have is named with the command that makes one."""
    line = sentence(make_hermes(SANDBOX__IMAGE="localhost/none:such"), code=1)
    assert "localhost/none:such" in line
    assert "hermes image build" in line


def test_evidence_that_cannot_be_written_is_named(make_hermes: Make) -> None:
    """A directory that is not ours is named with its setting."""
    line = sentence(make_hermes(EVIDENCE__DIR="/proc/evidence"), code=1)
    assert "/proc/evidence cannot be written" in line
    assert "HERMES_EVIDENCE__DIR" in line


def test_host_keys_that_cannot_be_read_are_named(make_hermes: Make, tmp_path: Path) -> None:
    """A damaged host key is named, and not replaced in silence."""
    (tmp_path / "host_keys").mkdir()
    (tmp_path / "host_keys" / "ssh_host_rsa_key").write_text("no key")
    assert "HERMES_SSH__HOST_KEY_DIR" in sentence(make_hermes(), code=1)


def test_root_is_refused(make_hermes: Make) -> None:
    """Whoever starts it as root is told what to do instead."""
    done = subprocess.run(
        ["unshare", "--map-root-user", sys.executable, "-m", "hermes", "up"],
        env=make_hermes().environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "does not run as root" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_world_is_not_let_in_without_limits(start: Start, make_hermes: Make) -> None:
    """Where the kernel enforces no limits, only loopback is listened on unless told so."""
    hermes = start(POOL__SIZE="1")
    if hermes.pool()["limits_enforced"]:
        pytest.skip("limits are enforced on this machine")
    assert "limits on memory, CPU and processes are not enforced" in hermes.log.read_text()
    hermes.stop()
    line = sentence(make_hermes(SSH__HOST="127.0.0.1,0.0.0.0"), code=1)
    assert "does not listen on 0.0.0.0" in line
    assert "HERMES_SANDBOX__REQUIRE_LIMITS=false" in line
    assert hermes.containers() == []


def test_an_address_of_another_machine_is_named(make_hermes: Make) -> None:
    """An address that this host does not have cannot be listened on."""
    line = sentence(make_hermes(SSH__HOST="192.0.2.1", SSH__PORT="2022"), code=1)
    assert "192.0.2.1:2022 cannot be listened on" in line


def test_commands_that_need_a_service_say_so(make_hermes: Make) -> None:
    """Where none runs, one sentence says how to start one."""
    assert "start one with 'hermes up'" in sentence(make_hermes(), "pool", "status", code=1)


def test_sessions_that_do_not_exist_are_named(make_hermes: Make) -> None:
    """Show and play name the id that was not found."""
    for command in ("show", "play"):
        assert "no session 0123abcd" in sentence(
            make_hermes(), "sessions", command, "0123abcd", code=1
        )
    assert "is no session id" in sentence(make_hermes(), "sessions", "show", "../x", code=1)
    assert "--since" in sentence(make_hermes(), "sessions", "list", "--since", "soon", code=2)


def test_an_env_file_that_is_not_there_is_named(make_hermes: Make) -> None:
    """--env-file names a file, or nothing starts."""
    line = sentence(make_hermes(), "config", "check", "--env-file", "/nonexistent.env", code=2)
    assert "/nonexistent.env cannot be read" in line


def test_a_full_disk_takes_no_new_session(start: Start) -> None:
    """While evidence cannot be written, connections are dropped and the log says why."""
    hermes = start(POOL__SIZE="1")
    sessions = hermes.evidence / "sessions"
    sessions.mkdir(mode=0o500)
    try:
        wait_for(lambda: b"SSH-" not in banner_of(hermes.port), 5.0)
    finally:
        sessions.chmod(0o700)
    assert "evidence cannot be written" in hermes.log.read_text()
    wait_for(lambda: b"SSH-" in banner_of(hermes.port), 5.0)
