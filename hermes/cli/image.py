"""``hermes image``: decoys, built and listed."""

import asyncio
import re
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from hermes import logs
from hermes.cli.building import shown
from hermes.cli.options import EnvFile
from hermes.errors import SettingsError
from hermes.image import (
    BOOTSTRAP,
    DecoyImage,
    Identity,
    Recipe,
    ServiceRecipe,
    build,
    build_service,
    decoys,
)
from hermes.sandbox.api_service import connected
from hermes.settings import Settings
from hermes.settings_source import load

app = typer.Typer(no_args_is_help=True, help="Decoys: the images that sandboxes are made of.")

_BASE_HELP: Final = "Make it from the package archive, or from any image podman has or can pull."
_NAME = re.compile(r"[a-z0-9][a-z0-9._/:@-]*", re.IGNORECASE)


@app.command("build")
def build_command(
    base: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="bootstrap|IMAGE",
            help=_BASE_HELP,
        ),
    ] = BOOTSTRAP,
    tag: Annotated[
        str | None,
        typer.Option(
            help="Name of the new image [default: HERMES_SANDBOX__IMAGE].", metavar="NAME"
        ),
    ] = None,
    env_file: EnvFile = None,
) -> None:
    """Build a decoy: one server of its own, with names, keys and a past no other one has."""
    settings = load(env_file).settings
    logs.configure(settings.log)
    recipe = Recipe.fresh(
        _checked("--tag", tag or settings.sandbox.image),
        _checked("--from", base),
        settings.sandbox.hostname,
    )
    who = asyncio.run(_build(settings, recipe))
    typer.echo(f"built {recipe.tag}: {who.hostname}, {who.address}")


@app.command("build-service")
def build_service_command(
    base: Annotated[
        str, typer.Option("--from", metavar="bootstrap|IMAGE", help=_BASE_HELP)
    ] = BOOTSTRAP,
    tag: Annotated[
        str, typer.Option(help="Name of the new image.", metavar="NAME")
    ] = ServiceRecipe.tag,
    env_file: EnvFile = None,
) -> None:
    """Build the image of Hermes itself, for a service that runs in a container."""
    settings = load(env_file).settings
    logs.configure(settings.log)
    recipe = ServiceRecipe(_checked("--tag", tag), _checked("--from", base))
    size = asyncio.run(_build_service(settings, recipe))
    typer.echo(f"built {' and '.join(recipe.tags())}: {decimal(size)}")


@app.command("list")
def list_command(env_file: EnvFile = None) -> None:
    """List the decoys that podman has, the newest first."""
    found = asyncio.run(_decoys(load(env_file).settings))
    if not found:
        typer.echo("no decoy yet; hermes image build makes one")
        return
    Console().print(_table(found))


async def _build(settings: Settings, recipe: Recipe) -> Identity:
    async with connected(settings.podman.socket, settings.runtime_dir) as engine:
        with shown(Console(stderr=True)) as report:
            return await build(engine, recipe, report)


async def _build_service(settings: Settings, recipe: ServiceRecipe) -> int:
    async with connected(settings.podman.socket, settings.runtime_dir) as engine:
        with shown(Console(stderr=True), "service image") as report:
            return await build_service(engine, recipe, report)


async def _decoys(settings: Settings) -> list[DecoyImage]:
    async with connected(settings.podman.socket, settings.runtime_dir) as engine:
        return await decoys(engine)


def _checked(option: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{option} is {name!r}: should be an image's name, such as debian:12")
    return name


def _table(images: list[DecoyImage]) -> Table:
    table = Table("image", "host name", "built", "size", box=None, pad_edge=False)
    for image in images:
        built = image.created.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(image.name, image.hostname, built, decimal(image.size))
    return table
