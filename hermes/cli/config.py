"""``hermes config``: the effective settings, and where each came from."""

import json

import typer
from rich.table import Table

from hermes.cli.options import AsJson, EnvFile
from hermes.cli.output import stdout
from hermes.settings_source import as_text, load, rows, template
from hermes.ssh.policy import read_userdb

app = typer.Typer(no_args_is_help=True, help="The effective settings.")


@app.command()
def check(env_file: EnvFile = None) -> None:
    """Read every source and say whether the settings are right."""
    loaded = load(env_file)
    read_userdb(loaded.settings.auth.userdb)
    place = loaded.env_file or "no file"
    typer.echo(f"settings are right ({place}, {len(loaded.sources)} set)")


@app.command()
def show(*, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show every setting, its value, and where it came from."""
    loaded = load(env_file)
    if as_json:
        document = {
            row.name: {
                "value": as_text(row.value),
                "source": loaded.sources.get(row.name, "default"),
            }
            for row in rows(loaded.settings)
        }
        typer.echo(json.dumps(document, indent=1))
        return
    table = Table("setting", "value", "from", box=None)
    for row in rows(loaded.settings):
        table.add_row(row.name, as_text(row.value), loaded.sources.get(row.name, "default"))
    stdout().print(table)


@app.command("template")
def print_template() -> None:
    """Print a hermes.env with every setting, its default and its meaning."""
    typer.echo(template(), nl=False)
