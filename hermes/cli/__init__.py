"""The command line: ``hermes``, thin over the rest of the house."""

import sys
from typing import Annotated

import typer

from hermes import __version__
from hermes.cli import artifacts, config, deployment, doctor, image, pool, quadlet, sessions, up
from hermes.cli.failure import exit_status
from hermes.errors import first_error

app = typer.Typer(
    name="hermes",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A high-interaction SSH honeypot: every attacker gets a real Linux box without a network.",
)
app.command("up")(up.up)
app.command("doctor")(doctor.doctor)
app.add_typer(pool.app, name="pool")
app.add_typer(sessions.app, name="sessions")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(image.app, name="image")
app.add_typer(config.app, name="config")
app.add_typer(quadlet.app, name="quadlet")
quadlet.app.command("install")(deployment.install)
quadlet.app.command("uninstall")(deployment.uninstall)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"hermes {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take options that belong to no command."""
    del version


def main() -> None:
    """Run one command; a failure is one sentence on stderr and exit code 1, or 2 for settings."""
    try:
        app(prog_name="hermes")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        # The boundary of the command line: ours is a sentence, anything else is a bug to see.
        cause = first_error(error)
        if cause is None:
            raise
        typer.echo(f"hermes: {cause}", err=True)
        sys.exit(exit_status(cause))
