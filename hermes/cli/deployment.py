"""``hermes quadlet install`` and ``uninstall``: the units in their places, and away again."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from rich.console import Console

from hermes.cli.building import shown
from hermes.cli.options import EnvFile
from hermes.cli.quadlet import found_version, sources
from hermes.deployment.advice import advice
from hermes.deployment.installation import SERVICE, Installation
from hermes.deployment.places import Places
from hermes.doctor.check import Status
from hermes.doctor.port import port
from hermes.errors import DeploymentError, HostError, SettingsError
from hermes.image import ensure
from hermes.quadlet.generate import Shape, generate
from hermes.quadlet.places import Places as Specifiers
from hermes.quadlet.versions import NEWEST, OLDEST
from hermes.sandbox.api_service import connected
from hermes.settings import Settings, runtime_directory
from hermes.settings_source import load

_READY_SECONDS: Final = 900.0

System = Annotated[
    str | None,
    typer.Option(
        "--system",
        metavar="USER",
        help="Put the units under /etc, for USER's systemd to run; wants root. The system's own "
        "systemd never runs them: its containers would have root's powers on the host.",
        show_default=False,
    ),
]


def install(
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Start everything, and wait until it is ready.")
    ] = False,
    shape: Annotated[
        Shape, typer.Option(help="Run hermes from its virtual environment, or from its image.")
    ] = Shape.PROGRAM,
    system: System = None,
    env_file: EnvFile = None,
) -> None:
    """Put the units in place, enabled; nothing is changed when something stands in the way."""
    if shape is Shape.ALL:
        raise SettingsError("--shape is 'all': one of program and container can be installed")
    settings = load(env_file).settings
    installation = Installation(_places(system))
    units = _units(settings, installation.places, shape)
    obsolete = _every_name(settings, installation.places) - units.keys()
    _check(installation, settings, units, obsolete)
    again = installation.running()
    installation.put(units, obsolete)
    directories = sorted({str(installation.places.path(name).parent) for name in units})
    typer.echo(f"wrote {len(units)} files to {', '.join(directories)}")
    if now:
        _start(installation, settings, again=again)
    else:
        typer.echo("start it: systemctl --user start hermes.target")
    for line in advice(settings, installation.places):
        typer.echo(line)


def uninstall(*, system: System = None, env_file: EnvFile = None) -> None:
    """Stop everything, remove units and containers; the evidence stays."""
    settings = load(env_file).settings
    installation = Installation(_places(system))
    installation.manager.check()
    evidence = installation.evidence(settings.evidence.dir)
    with _spinning("stopping"):
        removed = installation.remove(_every_name(settings, installation.places))
        containers = installation.clear()
    typer.echo(f"removed {len(removed)} files" if removed else "no unit of hermes is installed")
    if containers:
        typer.echo(f"removed {containers} containers")
    typer.echo(f"the evidence stays in {evidence}")


def _places(system: str | None) -> Places:
    if system is None:
        if os.geteuid() == 0:
            raise DeploymentError(
                "hermes does not run as root; install the units as the user that is to run it, "
                "or for him with --system USER"
            )
        return Places.of_user()
    if os.geteuid() != 0:
        raise DeploymentError("--system writes to /etc: run it as root")
    try:
        return Places.of_system(system)
    except KeyError as error:
        raise SettingsError(f"--system is {system!r}: there is no such user") from error


def _units(settings: Settings, places: Places, shape: Shape) -> dict[str, str]:
    version = found_version()
    if version is None:
        raise HostError("podman is not installed; run scripts/up or install it")
    here = Specifiers(home=places.home, runtime=runtime_directory(), python=sys.executable)
    return generate(settings, version, here, sources(), shape)


def _every_name(settings: Settings, places: Places) -> frozenset[str]:
    """All files that any version and shape may have put there."""
    here = Specifiers(home=places.home, runtime=runtime_directory())
    made = [generate(settings, one, here, sources(), Shape.ALL) for one in (OLDEST, NEWEST)]
    return frozenset().union(*made)


def _check(
    installation: Installation, settings: Settings, units: dict[str, str], obsolete: frozenset[str]
) -> None:
    installation.check(units, obsolete)
    ours = ["hermes.socket"] if installation.running() else []
    found = port(settings.ssh.host, settings.ssh.port, ours)
    if found.status is Status.FAIL:
        raise DeploymentError(f"{found.found}; {found.fix}")


def _start(installation: Installation, settings: Settings, *, again: bool) -> None:
    if installation.places.uid == os.getuid():
        asyncio.run(_ensure_decoy(settings))
    with _spinning("starting") as spin:
        installation.start(again=again)
        for progress in installation.follow(_READY_SECONDS):
            spin(progress.status or progress.active)
    status = installation.manager.show(SERVICE, "StatusText").get("StatusText", "")
    typer.echo(f"hermes is ready: {status}" if status else "hermes is ready")


async def _ensure_decoy(settings: Settings) -> None:
    """Build the decoy here, where its progress can be seen, when there is none."""
    async with connected(None, settings.runtime_dir) as engine:
        with shown(Console(stderr=True)) as report:
            sandbox = settings.sandbox
            await ensure(engine, sandbox.image, report, hostname=sandbox.hostname)


@contextmanager
def _spinning(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being waited for."""
    console = Console(stderr=True)
    with console.status(what) as status:
        yield lambda text: status.update(text or what)
