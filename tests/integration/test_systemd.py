"""The service under a manager: what it tells, what it is given, what it reads again."""

import json
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hermes.settings_source import config_home
from tests.integration.running import READY_SECONDS, Hermes, banner_of, wait_for
from tests.manager import Manager
from tests.passing import passing

Make = Callable[..., Hermes]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager that listens."""
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def make(make_hermes: Make, manager: Manager) -> Iterator[Make]:
    """Prepare services that have this manager; all are stopped after the test."""
    made: list[Hermes] = []

    def _make(**settings: str) -> Hermes:
        hermes = make_hermes(**{"POOL__SIZE": "1", **settings})
        hermes.environment["NOTIFY_SOCKET"] = manager.socket.getsockname()
        made.append(hermes)
        return hermes

    yield _make
    for hermes in made:
        hermes.stop()


class Told:
    """What a manager has been told so far."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self.messages: list[dict[str, str]] = []

    def __call__(self, name: str, text: str) -> bool:
        """Whether a message had this assignment."""
        self.messages += self._manager.messages()
        return any(message.get(name) == text for message in self.messages)


async def test_a_manager_is_told_how_the_service_is(make: Make, manager: Manager) -> None:
    """Ready once a visitor can come, then the pool's numbers; children cannot speak for it."""
    hermes, told = make(), Told(manager)
    hermes.environment["WATCHDOG_USEC"] = "3000000"
    hermes.launch()
    wait_for(lambda: told("READY", "1"), READY_SECONDS, hermes.log.read_text)
    assert told("STATUS", "warming the pool")
    assert any("EXTEND_TIMEOUT_USEC" in message for message in told.messages)
    assert hermes.pool()["warm"] == 1
    hermes.port = int(hermes._listening()[-1].rpartition(":")[2])
    wait_for(lambda: told("STATUS", "1 warm, 0 leased, 0 lingering; 0 sessions"), 5.0)
    async with hermes.connect() as connection:
        await connection.run("true")
        wait_for(lambda: told("STATUS", "1 warm, 1 leased, 0 lingering; 1 session"), 10.0)
    assert told("WATCHDOG", "1")
    assert hermes.process is not None
    for child in psutil.Process(hermes.process.pid).children(recursive=True):
        if child.uids().real == psutil.Process().uids().real:
            assert "NOTIFY_SOCKET" not in child.environ()
    hermes.stop()
    assert told("STOPPING", "1")
    assert [m for m in told.messages if "READY" in m] == [{"READY": "1"}]


@pytest.mark.parametrize(
    ("name", "value", "status", "words"),
    [
        ("SSH__PORT", "70000", 2, "HERMES_SSH__PORT is"),
        ("AUTH__USERDB", "/nonexistent", 2, "check HERMES_AUTH__USERDB"),
        ("SSH__HOST", "192.0.2.1", 1, "cannot be listened on"),
        ("EVIDENCE__DIR", "~nobody-there/evidence", 2, "HERMES_EVIDENCE__DIR is"),
    ],
)
def test_a_failed_start_is_told(
    make: Make, manager: Manager, name: str, value: str, status: int, words: str
) -> None:
    """The sentence is the last status; 2 is the exit status of what only a setting mends."""
    hermes, told = make(**{name: value}), Told(manager)
    hermes.launch()
    assert hermes.process is not None
    assert hermes.process.wait(READY_SECONDS) == status
    assert told("EXIT_STATUS", str(status))
    last = told.messages[-1]["STATUS"]
    assert words in last
    assert hermes.log.read_text().splitlines()[-1] == f"hermes: {last}"


async def test_passed_sockets_are_listened_on(make: Make, manager: Manager) -> None:
    """They replace the settings; who comes before the service is there waits for it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        early = socket.create_connection(four.getsockname(), READY_SECONDS)
        port = four.getsockname()[1]
        hermes, told = make(SSH__HOST="192.0.2.1", SSH__PORT="1"), Told(manager)
        hermes.passed = (four.fileno(), six.fileno())
        hermes.before = passing(*hermes.passed)
        hermes.start()
        with early:
            assert early.recv(4) == b"SSH-"
        text = hermes.log.read_text()
        assert f"systemd listens on 127.0.0.1:{port}, [::1]:{six.getsockname()[1]}" in text
        assert f"listening on 127.0.0.1:{port}\n" in text
        assert banner_of(six.getsockname()[1], "::1") == banner_of(port)
        hermes.port = port
        async with hermes.connect(source="127.0.0.5") as connection:
            shown = await connection.run("echo $SSH_CONNECTION")
        assert str(shown.stdout).startswith("127.0.0.5 ")
        assert told("READY", "1")
        checks = json.loads(hermes.cli("doctor", "--json", check=False).stdout)
        assert "listening on 127.0.0.1, ::1 is allowed" in json.dumps(checks)
        hermes.stop()
        late = socket.create_connection(four.getsockname(), 5.0)  # the manager listens on
        late.close()


def test_passed_sockets_are_judged_by_their_reach(make: Make, manager: Manager) -> None:
    """A loopback address in the settings lets nobody in by a socket that is open to all."""
    hermes, told = make(), Told(manager)
    with socket.create_server(("0.0.0.0", 0)) as wide:  # noqa: S104 - it is refused
        hermes.passed = (wide.fileno(),)
        hermes.before = passing(*hermes.passed)
        hermes.launch()
        wait_for(lambda: told("EXIT_STATUS", "1") or told("READY", "1"), READY_SECONDS)
    if told("READY", "1"):
        pytest.skip("limits are enforced on this machine")
    assert "hermes does not listen on 0.0.0.0" in told.messages[-1]["STATUS"]


def test_systemd_itself_passes_sockets(make: Make) -> None:
    """What systemd-socket-activate starts answers the connection that started it."""
    if shutil.which("systemd-socket-activate") is None:
        pytest.skip("needs systemd-socket-activate")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    hermes = make()
    passed_on = [f"--setenv={name}={value}" for name, value in hermes.environment.items()]
    hermes.before = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *passed_on]
    hermes.launch()
    wait_for(lambda: "Listening on" in hermes.log.read_text(), 10.0)
    with socket.create_connection(("127.0.0.1", port), READY_SECONDS) as client:
        assert client.recv(4) == b"SSH-"


async def test_hangup_reads_userdb_and_log_level_again(make: Make, manager: Manager) -> None:
    """What needs a restart is named; a wrong file leaves all in force, and says why."""
    hermes, told = make(AUTH__ACCEPT_AFTER_FAILURES="0"), Told(manager)
    userdb, settings = hermes.directory / "userdb.txt", hermes.directory / "hermes" / "hermes.env"
    settings.parent.mkdir()
    (hermes.directory / "containers").symlink_to(config_home() / "containers")
    hermes.environment["XDG_CONFIG_HOME"] = str(hermes.directory)
    userdb.write_text("root:x:one\n")
    settings.write_text(f"HERMES_AUTH__USERDB={userdb}\n")
    hermes.start()

    def hang_up(words: str) -> None:
        assert hermes.process is not None
        count = sum("READY" in message for message in told.messages)
        hermes.process.send_signal(signal.SIGHUP)
        wait_for(lambda: words in hermes.log.read_text(), 10.0)
        wait_for(lambda: not told("X", "") and count < readies(told), 10.0)

    wait_for(lambda: told("READY", "1"), 10.0)
    other = hermes.directory / "other.txt"
    other.write_text("root:x:two\n")
    settings.write_text(
        f"HERMES_AUTH__USERDB={other}\nHERMES_LOG__FORMAT=json\nHERMES_POOL__MAX=5\n"
    )
    hang_up('"message":"changed, but in force after a restart only: HERMES_POOL__MAX"')
    async with hermes.connect(password="two") as connection:
        assert (await connection.run("echo in")).stdout == "in\n"
    settings.write_text("HERMES_LOG__FORMAT=text\nHERMES_LOG__LEVEL=loud\n")
    hang_up('nothing was reloaded: HERMES_LOG__LEVEL is \\"loud\\"')
    other.write_text("root\n")
    settings.write_text(f"HERMES_AUTH__USERDB={other}\nHERMES_LOG__FORMAT=text\n")
    hang_up(f"nothing was reloaded: {other}, line 1")
    assert hermes.log.read_text().splitlines()[-1].startswith("{")
    settings.write_text(f"HERMES_AUTH__USERDB={userdb}\nHERMES_LOG__LEVEL=error\n")
    hang_up("the userdb was reloaded")
    before = hermes.log.read_text()
    async with hermes.connect(password="one") as connection:
        await connection.run("true")
    assert hermes.log.read_text() == before
    assert told("RELOADING", "1")


def readies(told: Told) -> int:
    """Count how often the service said that it is ready."""
    return sum("READY" in message for message in told.messages)
