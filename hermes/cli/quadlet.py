"""``hermes quadlet``: units for systemd."""

import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Final

import typer

from hermes.cli.options import EnvFile
from hermes.errors import HermesError
from hermes.image import guest_init
from hermes.quadlet.generate import Shape, Sources, generate
from hermes.quadlet.places import Places
from hermes.quadlet.versions import NEWEST, Version, parse_version, show
from hermes.resources import seccomp_profile
from hermes.settings import runtime_directory
from hermes.settings_source import load

app = typer.Typer(no_args_is_help=True, help="Units with which systemd supervises Hermes.")

_ASK_SECONDS: Final = 10


@app.callback()
def quadlet() -> None:
    """Take no options: they belong to the commands."""


@app.command("generate")
def generate_command(
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Write the files there instead of printing them."
        ),
    ] = None,
    podman_version: Annotated[
        str | None,
        typer.Option(
            help="Use only keys that this podman knows [default: the podman that is installed].",
            metavar="X.Y",
        ),
    ] = None,
    shape: Annotated[
        Shape, typer.Option(help="Run hermes from its virtual environment, or from its image.")
    ] = Shape.ALL,
    env_file: EnvFile = None,
) -> None:
    """Print or write the units for the effective settings.

    Units are for a user's systemd: ~/.config/systemd/user, and ~/.config/containers/systemd for
    those that Quadlet reads. seccomp.json and containers.conf belong in ~/.config/hermes.
    """
    settings = load(env_file).settings
    version = _version(podman_version)
    files = generate(settings, version, places(), sources(), shape)
    if output is None:
        for name, text in files.items():
            typer.echo(f"# {name}\n{text}")
        return
    _write(output, files)


def places() -> Places:
    """Return what settings were expanded with."""
    return Places(home=Path.home(), runtime=runtime_directory())


def sources() -> Sources:
    """Read what of this installation goes into the files."""
    label = f"{guest_init.LABEL}={guest_init.version()}"
    return Sources(seccomp_profile().read_text(), label)


def found_version() -> Version | None:
    """Ask the podman that is installed; None without one. SettingsError for one too old."""
    if shutil.which("podman") is None:
        return None
    command = ("podman", "--version")
    asked = subprocess.run(
        command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
    )
    return parse_version(asked.stdout)


def _version(given: str | None) -> Version:
    if given is not None:
        return parse_version(given)
    found = found_version()
    if found is None:
        typer.echo(f"# no podman here: made for podman {show(NEWEST)}, the newest known", err=True)
    return found or NEWEST


def _write(directory: Path, files: dict[str, str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name).write_text(text)
    except OSError as error:
        raise HermesError(f"{directory} cannot be written to: {error.strerror}") from error
    typer.echo(f"wrote {len(files)} files to {directory}: {', '.join(files)}")
