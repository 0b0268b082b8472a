"""``hermes pool``: the sandboxes of the running service."""

import json
import time
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from hermes.cli.options import AsJson, EnvFile
from hermes.cli.output import stdout
from hermes.control import ask, control_path
from hermes.settings_source import load

app = typer.Typer(no_args_is_help=True, help="The sandboxes of the running service.")


@app.callback()
def _pool() -> None:
    """Group the commands."""


@app.command()
def status(
    *,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, each second.")] = False,
    env_file: EnvFile = None,
) -> None:
    """Show how many sandboxes are warm and leased, and to whom."""
    path = control_path(load(env_file).settings.runtime_dir)
    if as_json:
        typer.echo(json.dumps(ask(path, "pool")))
        return
    console = stdout()
    if not watch:
        console.print(_table(ask(path, "pool")))
        return
    with Live(_table(ask(path, "pool")), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(1)
            live.update(_table(ask(path, "pool")), refresh=True)


def _table(pool: dict[str, Any]) -> Table:
    title = (
        f"{pool['warm']} of {pool['target']} warm, {pool['leased']} leased, "
        f"{pool['starting']} starting, at most {pool['max']}"
    )
    caption = None if pool["limits_enforced"] else "limits are not enforced on this host"
    table = Table("sandbox", "state", "age", "session", "visitor", title=title, caption=caption)
    for box in pool["sandboxes"]:
        age = f"{box['age_seconds']:.0f} s"
        table.add_row(box["name"], box["state"], age, box["session"] or "", box["visitor"] or "")
    return table
