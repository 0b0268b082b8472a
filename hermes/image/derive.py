"""A decoy from an image that podman has or can pull, by ``containerfiles/decoy/Containerfile``."""

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hermes.errors import ImageError, PodmanNotFoundError
from hermes.image.guest_init import check_compiler, furnishing
from hermes.image.process import follow
from hermes.image.progress import DerivationProgress, Report
from hermes.image.recipe import Recipe
from hermes.image.workspace import SOURCES_BYTES, workspace
from hermes.sandbox.engine import Engine

_LAST_WORDS: Final = 2


async def derive(engine: Engine, recipe: Recipe, report: Report) -> None:
    """Build the decoy; ImageError names the image that cannot be had or furnished."""
    if shutil.which("podman") is None:
        raise ImageError("podman is not installed, and no image can be built without it")
    check_compiler()
    if not await exists(engine, recipe.base):
        await pull(engine, recipe.base, report)
    progress = DerivationProgress()

    def on_line(line: str) -> None:
        if step := progress.feed(line):
            report(step.stage, step.fraction)

    report("building", 0.0)
    async with workspace(SOURCES_BYTES) as directory:
        command = build_command(engine.socket, recipe, await furnishing(directory))
        last = await podman(command, on_line)
    if last is not None:
        raise ImageError(
            f"{recipe.base} cannot be made a decoy ({last}): "
            "it should be a Linux system with /bin/sh"
        )


async def exists(engine: Engine, name: str) -> bool:
    """Whether podman has the image."""
    try:
        await engine.request("GET", f"/images/{name}/exists")
    except PodmanNotFoundError:
        return False
    return True


def build_command(socket: Path, recipe: Recipe, decoy: Path) -> tuple[str, ...]:
    """Write the command line; the host's network is for the packages, the decoy keeps none."""
    arguments = (("BASE", recipe.base), *recipe.variables())
    return (
        *("podman", "--url", f"unix://{socket}", "build", "--pull=never", "--network=host"),
        *("--layers=false", "--force-rm", "--tag", recipe.tag),
        *(word for label in recipe.labels().items() for word in ("--label", "=".join(label))),
        *(word for name, value in arguments for word in ("--build-arg", f"{name}={value}")),
        *("--file", str(decoy / "Containerfile"), str(decoy)),
    )


async def pull(engine: Engine, name: str, report: Report) -> None:
    """Have podman fetch an image; ImageError names one that it cannot have."""
    report(f"pulling {name}", None)
    command = ("podman", "--url", f"unix://{engine.socket}", "pull", "--quiet", name)
    last = await podman(command)
    if last is not None:
        raise ImageError(
            f"podman neither has the image {name} nor can pull it ({last}): "
            "check the name, or load it with podman load"
        )


async def podman(
    command: Sequence[str], on_line: Callable[[str], None] = lambda _line: None
) -> str | None:
    """Return None, or podman's last words after a failure."""
    words: deque[str] = deque(("podman said nothing",), maxlen=_LAST_WORDS)

    def remember(line: str) -> None:
        if line:
            words.append(line)
        on_line(line)

    return cause(words) if await follow(command, remember) else None


def cause(words: Sequence[str]) -> str:
    """Pick why podman failed: of a step's failure it says no more than where it was."""
    *before, last = words
    if before and "building at STEP" in last and "STEP " not in before[-1]:
        return before[-1]
    return last.removeprefix("Error: ")
