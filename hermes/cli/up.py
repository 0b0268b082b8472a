"""``hermes up``: the service, with a panel on a terminal and log lines elsewhere."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from hermes import logs
from hermes.cli.building import shown
from hermes.cli.failure import exit_status
from hermes.cli.options import EnvFile
from hermes.cli.panel import LogPane, Panel
from hermes.errors import first_error
from hermes.service import Reread, Service
from hermes.settings import Settings
from hermes.settings_source import load
from hermes.systemd.activation import take_sockets
from hermes.systemd.notify import Notifier


@dataclass(frozen=True)
class _Manager:
    """What the service manager gave: whom to tell, and where to listen."""

    notifier: Notifier
    sockets: Sequence[socket.socket]


def up(
    env_file: EnvFile = None,
    host: Annotated[
        str | None, typer.Option(help="Addresses to listen on, with commas.", show_default=False)
    ] = None,
    port: Annotated[
        str | None, typer.Option(help="TCP port to listen on.", metavar="N", show_default=False)
    ] = None,
) -> None:
    """Check, build the decoy if it is missing, warm the pool, and listen."""
    os.umask(0o077)

    def read() -> Settings:
        return load(env_file, {"SSH__HOST": host, "SSH__PORT": port}).settings

    with _managed() as manager:
        number = asyncio.run(_run(read, manager))
    # The exit status tells what ended the service; Python would make an exception of SIGINT.
    if number == signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


@contextlib.contextmanager
def _managed() -> Iterator[_Manager]:
    """Take over what the service manager passed, and tell it why the service ends."""
    notifier = Notifier.taken_from(os.environ)
    try:
        yield _Manager(notifier, take_sockets(os.environ))
    except Exception as error:
        # Told here, judged where it is raised again.
        cause = first_error(error)
        if cause is not None:
            notifier.failed(str(cause), exit_status(cause))
        raise
    finally:
        notifier.close()


async def _run(read: Reread, manager: _Manager) -> int:
    console = Console()
    settings = read()
    logs.configure(settings.log)
    with contextlib.ExitStack() as screen, shown(Console(stderr=True)) as report:
        service = Service(
            settings, report, reread=read, notifier=manager.notifier, passed=manager.sockets
        )

        def announce(addresses: list[str]) -> None:
            for address in addresses:
                console.print(f"listening on {address}", highlight=False, soft_wrap=True)
            if console.is_terminal:
                _show_panel(screen, console, settings, Panel(service, addresses))

        return await service.run(announce)


def _show_panel(
    screen: contextlib.ExitStack, console: Console, settings: Settings, panel: Panel
) -> None:
    """Show the panel until the screen is closed; log lines go into it if they would hit it."""
    if sys.stderr.isatty():
        pane = LogPane()
        panel.log = pane.lines
        logs.configure(settings.log, pane)
        screen.callback(logs.configure, settings.log)
    screen.enter_context(panel.live(console))
