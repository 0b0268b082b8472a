"""``hermes pool``, beside a running service and without one."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.integration.running import Hermes, Start, wait_for
from tests.integration.terminal import Terminal

STATUS = [sys.executable, "-m", "hermes", "pool", "status"]
WATCH = [*STATUS, "--watch"]


@pytest.mark.parametrize("command", ["status", "recycle"])
def test_without_a_service_the_command_says_so(
    make_hermes: Callable[..., Hermes], command: str
) -> None:
    """One sentence tells how to start one."""
    done = make_hermes().cli("pool", command, check=False)
    assert done.returncode == 1
    assert "no hermes is running here" in done.stderr
    assert "Traceback" not in done.stderr


async def test_warm_sandboxes_are_replaced_and_visitors_keep_theirs(start: Start) -> None:
    """Recycle ends when others are warm; a leased box is left alone, and both are counted."""
    hermes = start(POOL__SIZE="2")
    wait_for(lambda: hermes.pool()["warm"] == 2, 20.0)
    async with hermes.connect() as connection:
        await connection.run("touch /tmp/mine")
        wait_for(lambda: hermes.pool()["warm"] == 2, 20.0)
        before = {box["name"]: box["state"] for box in hermes.pool()["sandboxes"]}
        old = {name for name, state in before.items() if state == "warm"}
        done = json.loads(hermes.cli("pool", "recycle", "--json").stdout)
        assert (set(done["replaced"]), done["taken"]) == (old, [])
        after = {box["name"]: box["state"] for box in hermes.pool()["sandboxes"]}
        assert not old & set(after)
        assert sorted(after.values()) == ["leased", "warm", "warm"]
        assert (await connection.run("ls /tmp/mine")).exit_status == 0
    assert "2 replaced; 2 of 2 sandboxes are warm" in hermes.cli("pool", "recycle").stdout


@pytest.mark.parametrize("end", ["q", "ctrl-c", "terminated"])
def test_a_watched_pool_gives_the_terminal_back(shared: Hermes, end: str) -> None:
    """However it ends, screen, cursor and modes are as before, and nothing is printed on top."""
    with Terminal(WATCH, shared) as terminal:
        before = terminal.modes()
        terminal.until("of 3 warm, 0 leased, .* lingering")
        terminal.until("box-.* warm")
        if end == "terminated":
            terminal.process.send_signal(signal.SIGTERM)
        else:
            terminal.press(b"xq") if end == "q" else terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(10) == (143 if end == "terminated" else 0)
        terminal.until(r"\x1b\[\?25h.*\x1b\[\?1049l|\x1b\[\?1049l.*\x1b\[\?25h")
        assert terminal.modes() == before
        assert "Traceback" not in terminal.seen


def test_a_watched_pool_tells_each_change_once(start: Start) -> None:
    """With --json there is one line for each change, and none while nothing happens."""
    hermes = start()
    wait_for(lambda: hermes.pool()["warm"] == 3, 20.0)
    with subprocess.Popen(
        [*WATCH, "--json"],
        env=hermes.environment,
        cwd=hermes.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        try:
            lines = watching.stdout
            assert json.loads(lines.readline())["leased"] == 0
            subprocess.run(hermes.ssh("sleep 1.2"), check=True, capture_output=True)
            assert json.loads(lines.readline())["leased"] == 1
            while (seen := json.loads(lines.readline()))["lingering"] == 0 or seen["warm"] < 3:
                pass
            watching.send_signal(signal.SIGINT)
            assert lines.read() == ""
            assert watching.wait(10) == 0
            assert watching.stderr.read() == ""
        finally:
            watching.kill()
