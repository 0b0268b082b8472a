"""The service's own image, by ``containerfiles/hermes/Containerfile``.

Its base is a minimal root from the package archive, or an image that podman has or can pull.
What is installed in it is gathered out here, and checked against requirements.lock by pip.
"""

import asyncio
import importlib.util
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import hermes
from hermes.errors import ImageError
from hermes.image import wheel
from hermes.image.bootstrap import bootstrap_base
from hermes.image.builder import image_id, remove
from hermes.image.derive import exists, podman, pull
from hermes.image.process import follow
from hermes.image.progress import DONE, Report
from hermes.image.recipe import BOOTSTRAP
from hermes.image.workspace import workspace
from hermes.resources import containerfiles
from hermes.sandbox.engine import Engine

DEFAULT_TAG: Final = "localhost/hermes:latest"
_BASE: Final = "localhost/hermes-base:latest"
_BYTES: Final = 1 << 30
_VERSION: Final = "import platform; print('python', platform.python_version())"
_GATHERING: Final = 0.75
_BUILDING: Final = 0.8


@dataclass(frozen=True)
class ServiceRecipe:
    """What to build the service's image from, and its name."""

    tag: str = DEFAULT_TAG
    base: str = BOOTSTRAP

    def tags(self) -> tuple[str, ...]:
        """Return the name, with that of this version beside one that ends in ``:latest``."""
        name, _, last = self.tag.rpartition(":")
        return (self.tag, f"{name}:{hermes.__version__}") if last == "latest" else (self.tag,)


async def build_service(engine: Engine, recipe: ServiceRecipe, report: Report) -> int:
    """Build it and return its size in bytes; ImageError and HostError say what is lacking."""
    files = _context_files()
    predecessor = await image_id(engine, recipe.tag)
    async with workspace(_BYTES) as directory:
        context = directory / "context"
        await asyncio.to_thread(context.mkdir)
        await asyncio.to_thread(_copy, files, context)
        await _base(engine, recipe, context, partly(report, _GATHERING))
        report("gathering what is pinned", _GATHERING)
        await _gather(context, await _python_of(engine))
        report("building", _BUILDING)
        if (last := await podman(_build(engine, recipe, context))) is not None:
            raise ImageError(f"the service's image cannot be built ({last})")
    await remove(engine, _BASE)  # which is in the one layer of the new one
    if predecessor is not None:
        await remove(engine, predecessor)
    document = await engine.json("GET", f"/images/{recipe.tag}/json")
    report(DONE.stage, DONE.fraction)
    return int(document["Size"])


def partly(report: Report, share: float) -> Report:
    """Report a part of the build that is the first ``share`` of the whole."""

    def scaled(stage: str, fraction: float | None) -> None:
        report(stage, None if fraction is None else round(share * fraction, 4))

    return scaled


def _context_files() -> tuple[Path, ...]:
    """Name what is copied into the build's context: the sources, and our own pip."""
    pip = importlib.util.find_spec("pip")
    if pip is None or pip.origin is None:
        raise ImageError(
            f"{sys.executable} has no pip, and the service's image cannot be built without it: "
            f"run {sys.executable} -m ensurepip"
        )
    sources = containerfiles() / "hermes"
    return (sources / "Containerfile", sources / "requirements.lock", Path(pip.origin).parent)


def _copy(files: Sequence[Path], context: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    for file in files:
        if file.is_dir():
            shutil.copytree(file, context / file.name, ignore=ignore)
        else:
            shutil.copy(file, context)
    wheel.pack(context)


async def _base(engine: Engine, recipe: ServiceRecipe, context: Path, report: Report) -> None:
    """Give podman an image that has Python."""
    if recipe.base == BOOTSTRAP:
        await bootstrap_base(engine, _BASE, report)
        return
    if not await exists(engine, recipe.base):
        await pull(engine, recipe.base, report)
    report(f"installing Python in {recipe.base}", None)
    command = _command(engine, context, recipe.base, "--target=base", f"--tag={_BASE}")
    if (last := await podman(command)) is not None:
        raise ImageError(f"{recipe.base} cannot be a base ({last}): it should be Debian or Ubuntu")


async def _python_of(engine: Engine) -> str:
    """Ask the base for the version of its Python, such as 3.13."""
    said: list[str] = []
    run = ("podman", "--url", f"unix://{engine.socket}", "run", "--rm", "--network=none")
    status = await follow((*run, _BASE, "python3", "-c", _VERSION), said.append)
    found = [line.split()[1] for line in said if line.startswith("python ")]
    if status or not found:
        raise ImageError(f"the base has no Python that runs ({' '.join(said[-1:])})")
    return ".".join(found[0].split(".")[:2])


async def _gather(context: Path, python: str) -> None:
    """Fetch the wheels that are pinned, for the Python of the base; raises ImageError."""
    words: list[str] = []
    command = (
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "--python-version", python, "--require-hashes"),
        *("--requirement", str(context / "requirements.lock"), "--dest", str(context / "wheels")),
    )
    if await follow(command, words.append):
        cause = next((line for line in words if line.startswith("ERROR:")), words[-1:] or "?")
        raise ImageError(
            f"what Hermes needs cannot be fetched for Python {python} on {platform.machine()} "
            f"({cause}): check that pip download works"
        )


def _build(engine: Engine, recipe: ServiceRecipe, context: Path) -> tuple[str, ...]:
    tags = (f"--tag={name}" for name in recipe.tags())
    # In docker's format, as the other one has no place for a health check.
    version = f"--build-arg=VERSION={hermes.__version__}"
    return _command(engine, context, _BASE, version, "--format=docker", "--squash-all", *tags)


def _command(engine: Engine, context: Path, base: str, *options: str) -> tuple[str, ...]:
    return (
        *("podman", "--url", f"unix://{engine.socket}", "build", "--pull=never", "--network=host"),
        *("--layers=false", "--force-rm", f"--build-arg=BASE={base}", *options),
        *("--file", str(context / "Containerfile"), str(context)),
    )
