"""What fits on the panel."""

import io

import pytest
from rich.console import Console

from hermes.cli.panel import Panel
from hermes.evidence.events import Event
from hermes.sandbox.pool_status import PoolStatus, SandboxStatus
from hermes.ssh.listener import SessionStatus


class Busy:
    """A service with so many sandboxes and sessions, and no events."""

    events: tuple[Event, ...] = ()
    state = "warm"

    def __init__(self, sandboxes: int, sessions: int) -> None:
        self._sandboxes, self._sessions = sandboxes, sessions

    def pool_status(self) -> PoolStatus:
        """Sandboxes named by their number."""
        names = [f"box-{number:02}" for number in range(self._sandboxes)]
        boxes = tuple(
            SandboxStatus(name, name, self.state, 1.0, None, None, supervised=False)
            for name in names
        )
        return PoolStatus(
            target=len(names),
            warm=len(names),
            leased=0,
            lingering=2,
            starting=0,
            max=99,
            limits_enforced=True,
            sandboxes=boxes,
        )

    def sessions(self) -> list[SessionStatus]:
        """Sessions named by their number."""
        return [
            SessionStatus(
                f"session-{number:02}", "192.0.2.1", "root", logged_in=True, age_seconds=1.0
            )
            for number in range(self._sessions)
        ]


def drawn(sandboxes: int, sessions: int, height: int) -> str:
    """Draw the panel on a terminal of this height."""
    console = Console(file=io.StringIO(), width=120, height=height, record=True)
    console.print(Panel(Busy(sandboxes, sessions), ["192.0.2.10:22"]))
    return console.export_text()


@pytest.mark.parametrize(("sandboxes", "sessions"), [(5, 0), (12, 1), (1, 12)])
def test_the_longer_table_is_whole(sandboxes: int, sessions: int) -> None:
    """Sandboxes count for the height as sessions do."""
    text = drawn(sandboxes, sessions, 40)
    assert all(f"box-{number:02}" in text for number in range(sandboxes))
    assert all(f"session-{number:02}" in text for number in range(sessions))
    assert " more " not in text


@pytest.mark.parametrize("height", [24, 40])
def test_a_low_terminal_keeps_its_events_and_log(height: int) -> None:
    """Tables end where the terminal would, and say how many rows are hidden."""
    text = drawn(60, 50, height)
    lines = text.splitlines()
    assert len(lines) == height
    assert lines[-1].startswith("╰")
    events, log = (
        next(at for at, line in enumerate(lines) if title in line)
        for title in ("events, newest first", " log ")
    )
    assert log - events >= 6
    shown = text.count("box-")
    assert f" {60 - shown} more " in text
    assert f" {50 - text.count('session-')} more " in text


@pytest.mark.parametrize("state", ["lingering", "harvesting"])
def test_states_after_a_visit_are_shown(state: str) -> None:
    """The panel names the state of each sandbox and counts those that linger."""
    console = Console(file=io.StringIO(), width=120, height=40, record=True)
    busy = Busy(1, 0)
    busy.state = state
    console.print(Panel(busy, ["192.0.2.10:22"]))
    text = console.export_text()
    assert state in next(line for line in text.splitlines() if "box-00" in line)
    assert "2 lingering" in text
