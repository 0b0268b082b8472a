"""``hermes pool``: the sandboxes of the running service."""

import functools
import json
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.status import Status

from hermes.cli.options import AsJson, EnvFile
from hermes.cli.output import stdout
from hermes.cli.pool_table import table
from hermes.cli.recycling import Progress
from hermes.cli.recycling import recycle as recycled
from hermes.cli.watch import watch as watched
from hermes.control import ask, control_path
from hermes.settings_source import load

app = typer.Typer(no_args_is_help=True, help="The sandboxes of the running service.")

_WATCH_HELP: Final = "Go on showing it, until q or Ctrl-C; with --json a line for each change."


@app.callback()
def _pool() -> None:
    """Group the commands."""


@app.command()
def status(
    *,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help=_WATCH_HELP)] = False,
    env_file: EnvFile = None,
) -> None:
    """Show the sandboxes: warm, leased or lingering, since when, and for whom."""
    look = functools.partial(ask, control_path(load(env_file).settings.runtime_dir), "pool")
    if watch:
        watched(look, stdout(), as_json=as_json)
    elif as_json:
        typer.echo(json.dumps(look()))
    else:
        stdout().print(table(look()))


@app.command()
def recycle(*, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Replace the warm sandboxes, one after another; visitors keep theirs."""
    settings = load(env_file).settings
    asks = functools.partial(ask, control_path(settings.runtime_dir))
    with Console(stderr=True).status("replacing the warm sandboxes") as shown:
        for now in recycled(asks, settings.pool.spawn_timeout_seconds):
            _show(now, shown)
    if as_json:
        typer.echo(json.dumps({"replaced": now.replaced, "taken": now.taken}))
    else:
        taken = f", {len(now.taken)} taken by visitors before" if now.taken else ""
        typer.echo(
            f"{len(now.replaced)} replaced{taken}; {now.warm} of {now.target} sandboxes are warm"
        )


def _show(now: Progress, shown: Status) -> None:
    count = len(now.replaced) + len(now.taken) + len(now.left)
    shown.update(
        f"{len(now.replaced)} of {count} replaced, {now.warm} of {now.target} sandboxes are warm"
    )
