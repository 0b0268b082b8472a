"""``hermes up``: the service, with a panel on a terminal and log lines elsewhere."""

import asyncio
import contextlib
import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from hermes import logs
from hermes.cli.building import shown
from hermes.cli.options import EnvFile
from hermes.cli.panel import LogPane, Panel
from hermes.service import Service
from hermes.settings import Settings
from hermes.settings_source import load


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
    settings = load(env_file, {"SSH__HOST": host, "SSH__PORT": port}).settings
    number = asyncio.run(_run(settings))
    # The exit status tells what ended the service; Python would make an exception of SIGINT.
    if number == signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


async def _run(settings: Settings) -> int:
    console = Console()
    logs.configure(settings.log)
    with contextlib.ExitStack() as screen, shown(Console(stderr=True)) as report:
        service = Service(settings, report)

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
