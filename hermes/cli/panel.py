"""The live panel of ``hermes up``: the pool, the sessions now, the last events."""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from hermes.cli.pool_table import age_text, counts, state_text
from hermes.evidence import events as ev
from hermes.evidence.events import Event
from hermes.evidence.lines import describe
from hermes.sandbox.pool_status import PoolStatus
from hermes.ssh.listener import SessionStatus
from hermes.text import printable

_REFRESHES_PER_SECOND = 4
_LOG_LINES = 5
_EVENT_LINES = 4  # at least, however full the pool is
_HEAD_HEIGHT = 3
_LEAST_MIDDLE_HEIGHT = 6
_FRAME = 2
_FRAME_AND_HEADINGS = 3


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
    """Draws the present state of a service; `live` shows it on a terminal."""

    def __init__(self, watched: Watched, addresses: Sequence[str]) -> None:
        self.log: Iterable[str] = ()
        self._watched = watched
        self._addresses = addresses

    def live(self, console: Console) -> Live:
        """Show it on the alternate screen while the context lasts, drawn by its own thread."""
        return Live(
            get_renderable=lambda: self,
            console=console,
            screen=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        status = self._watched.pool_status()
        sessions = self._watched.sessions()
        height = middle_height(
            options.height or console.height,
            len(sessions),
            len(status.sandboxes) if status is not None else 0,
        )
        layout = Layout()
        layout.split_column(
            Layout(self._head(status), size=_HEAD_HEIGHT),
            Layout(name="middle", size=height),
            Layout(_events(list(self._watched.events)), name="events"),
            Layout(_log(list(self.log)), size=_LOG_LINES + _FRAME),
        )
        rows = height - _FRAME_AND_HEADINGS
        layout["middle"].split_row(
            Layout(_pool(status, rows), ratio=2), Layout(_sessions(sessions, rows), ratio=3)
        )
        yield layout

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


def middle_height(height: int, *rows: int) -> int:
    """Lines for tables of so many rows, side by side on a terminal of this height."""
    others = _HEAD_HEIGHT + _EVENT_LINES + _FRAME + _LOG_LINES + _FRAME
    return max(_LEAST_MIDDLE_HEIGHT, min(height - others, max(rows) + _FRAME_AND_HEADINGS))


def _pool(status: PoolStatus | None, rows: int) -> RenderableType:
    if status is None:
        return Frame("starting", title="pool")
    table = Table(box=None, expand=True, padding=(0, 1))
    for heading in ("sandbox", "state", "age", "visitor"):
        table.add_column(heading, no_wrap=True)
    for box in status.sandboxes:
        age = age_text(box.age_seconds)
        table.add_row(box.name, state_text(box.state), age, box.visitor or "")
    said = counts(
        warm=status.warm, target=status.target, leased=status.leased, lingering=status.lingering
    )
    more = _more(len(status.sandboxes), rows)
    return Frame(table, title=f"pool: {said}", subtitle=more, border_style="green")


def _sessions(sessions: Sequence[SessionStatus], rows: int) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1))
    for heading in ("session", "from", "user", "in", "age"):
        table.add_column(heading, no_wrap=True)
    for session in sessions:
        table.add_row(
            session.session,
            session.source_ip,
            Text(printable(session.user, 24)),
            "yes" if session.logged_in else "",
            age_text(session.age_seconds),
        )
    title, more = f"sessions: {len(sessions)} now", _more(len(sessions), rows)
    return Frame(table, title=title, subtitle=more, border_style="yellow")


def _more(there_are: int, shown: int) -> str | None:
    return f"{there_are - shown} more" if there_are > shown else None


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
