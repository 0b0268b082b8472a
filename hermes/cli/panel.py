"""The live panel of ``hermes up``: the pool, the sessions now, the last events."""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from hermes.evidence import events as ev
from hermes.evidence.events import Event
from hermes.evidence.lines import describe
from hermes.sandbox.pool_status import PoolStatus
from hermes.ssh.listener import SessionStatus
from hermes.text import printable

_STATE_STYLES = {"warm": "green", "leased": "bold yellow", "starting": "cyan", "gone": "dim"}
_REFRESHES_PER_SECOND = 4
_LOG_LINES = 5


class Watched(Protocol):
    """What the panel looks at; it is read from another thread and must not block."""

    @property
    def events(self) -> Iterable[Event]:
        """The last events, oldest first."""

    def pool_status(self) -> PoolStatus | None:
        """The pool now."""

    def sessions(self) -> list[SessionStatus]:
        """The sessions now."""


class LogPane(logging.Handler):
    """Keeps the last log lines that are no events: those stand in the panel already."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        if not hasattr(record, "action"):
            self.lines.append(self.format(record))


class Panel:
    """Renders a service; `live` shows it on a terminal."""

    def __init__(self, watched: Watched, addresses: Sequence[str]) -> None:
        self.log: Iterable[str] = ()
        self._watched = watched
        self._addresses = addresses

    def live(self, console: Console) -> Live:
        """Show it on the alternate screen while the context lasts, drawn by its own thread."""
        return Live(
            get_renderable=self.render,
            console=console,
            screen=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
        )

    def render(self) -> RenderableType:
        """Draw the present state."""
        status = self._watched.pool_status()
        sessions = self._watched.sessions()
        layout = Layout()
        layout.split_column(
            Layout(self._head(status), size=3),
            Layout(name="middle", size=max(6, min(14, 4 + len(sessions)))),
            Layout(_events(list(self._watched.events)), name="events"),
            Layout(_log(list(self.log)), size=_LOG_LINES + 2),
        )
        layout["middle"].split_row(
            Layout(_pool(status), ratio=2), Layout(_sessions(sessions), ratio=3)
        )
        return layout

    def _head(self, status: PoolStatus | None) -> RenderableType:
        text = Text.assemble(
            ("Hermes", "bold"),
            "  listening on ",
            (", ".join(self._addresses), "bold cyan"),
            "   ctrl-c stops",
        )
        if status is not None and not status.limits_enforced:
            text.append("   limits are not enforced", "bold red")
        return Frame(text, border_style="blue")


def _pool(status: PoolStatus | None) -> RenderableType:
    if status is None:
        return Frame("starting", title="pool")
    table = Table(box=None, expand=True, padding=(0, 1))
    for heading in ("sandbox", "state", "age", "visitor"):
        table.add_column(heading, no_wrap=True)
    for box in status.sandboxes:
        style = _STATE_STYLES.get(box.state, "")
        age = f"{box.age_seconds:.0f} s"
        table.add_row(box.name, Text(box.state, style), age, box.visitor or "")
    title = f"pool: {status.warm} of {status.target} warm, {status.leased} leased"
    return Frame(table, title=title, border_style="green")


def _sessions(sessions: Sequence[SessionStatus]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1))
    for heading in ("session", "from", "user", "in", "age"):
        table.add_column(heading, no_wrap=True)
    for session in sessions:
        table.add_row(
            session.session,
            session.source_ip,
            Text(printable(session.user, 24)),
            "yes" if session.logged_in else "",
            f"{session.age_seconds:.0f} s",
        )
    return Frame(table, title=f"sessions: {len(sessions)} now", border_style="yellow")


def _events(events: Sequence[Event]) -> RenderableType:
    lines = [_event_line(event) for event in islice(reversed(events), 40)]
    return Frame(Group(*lines), title="events, newest first", border_style="magenta")


def _event_line(event: Event) -> Text:
    style = ""
    if isinstance(event, ev.LoginAttempted):
        style = "green" if event.outcome == "success" else "red"
    elif isinstance(event, ev.ChannelOpened):
        style = "bold"
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{event.time:%H:%M:%S} {event.session} ", "dim")
    text.append(describe(event), style)
    return text


def _log(lines: Sequence[str]) -> RenderableType:
    text = Text("\n".join(printable(line) for line in lines), no_wrap=True, overflow="ellipsis")
    return Frame(text, title="log", border_style="dim")
