"""A view that is drawn again and again until its user has seen enough."""

import contextlib
import functools
import json
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

import typer
from rich.console import Console
from rich.live import Live

from hermes.cli.pool_table import Pool, summary, table, without_ages

_REFRESH_SECONDS: Final = 0.5
_QUIT: Final = frozenset(b"qQ")
_MOST_KEYS: Final = 64
_KILLED: Final = 128

Look = Callable[[], Pool]


def watch(look: Look, console: Console, *, as_json: bool) -> None:
    """Show the pool until Ctrl-C, or ``q`` on a terminal; elsewhere a line for each change."""
    with contextlib.suppress(KeyboardInterrupt), _terminated_in_order():  # the way to end it
        if as_json:
            _lines(look, json.dumps)
        elif console.is_terminal:
            _draw(look, console)
        else:
            _lines(look, summary)


def _draw(look: Look, console: Console) -> None:
    # The alternate screen: afterwards the terminal shows what it showed before.
    with (
        _keys() as pressed,
        Live(table(look()), console=console, screen=True, auto_refresh=False) as live,
    ):
        while _QUIT.isdisjoint(pressed(_REFRESH_SECONDS)):
            live.update(table(look()), refresh=True)


def _lines(look: Look, write: Callable[[Pool], str]) -> None:
    said = None
    while True:
        pool = look()
        if (facts := without_ages(pool)) != said:
            said = facts
            typer.echo(write(pool))
            sys.stdout.flush()
        time.sleep(_REFRESH_SECONDS)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], bytes]]:
    """Yield what waits for keys, at most so many seconds; without a terminal it only waits."""
    if not sys.stdin.isatty():
        yield _no_keys
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield functools.partial(_keys_of, descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _keys_of(descriptor: int, seconds: float) -> bytes:
    readable, _, _ = select.select([descriptor], [], [], seconds)
    return os.read(descriptor, _MOST_KEYS) if readable else b""


def _no_keys(seconds: float) -> bytes:
    time.sleep(seconds)
    return b""


@contextlib.contextmanager
def _terminated_in_order() -> Iterator[None]:
    """Let SIGTERM end the view by way of what gives the terminal back."""

    def leave(number: int, _frame: object) -> NoReturn:
        sys.exit(_KILLED + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
