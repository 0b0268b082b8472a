"""A decoy from nothing but the package archive: mmdebstrap in a user namespace, then import.

See mmdebstrap(1); its hooks furnish the root with the script that derived decoys use too.
"""

import asyncio
import getpass
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from hermes.doctor import check_subids
from hermes.errors import ImageError
from hermes.image import archive
from hermes.image.archive import Archive
from hermes.image.guest_init import check_compiler, furnishing
from hermes.image.process import follow
from hermes.image.progress import IMPORTING, BootstrapProgress, Report
from hermes.image.recipe import Recipe
from hermes.image.workspace import workspace
from hermes.sandbox.engine import Engine

_IMPORT_SECONDS: Final = 600.0
_TOOLS: Final = {"mmdebstrap": "mmdebstrap", "newuidmap": "uidmap", "podman": "podman"}
_PROXY: Final = re.compile(r'(Acquire::https?::(?:[^ ]+::)?Proxy "[^"]+");')
# The lists stay, so that apt works inside until it wants the network; compressed, as they are big.
_APT_OPTIONS: Final = ('Acquire::Languages "none"', 'Acquire::GzipIndexes "true"')
_DPKG_OPTIONS: Final = (
    "force-unsafe-io",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/en*",
    "path-include=/usr/share/locale/locale.alias",
)
_DPKG_LESS: Final = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
)
# mmdebstrap copies the build host's own.
_ANONYMOUS: Final = 'echo furnish: base; : >"$1/etc/resolv.conf"; echo hermes >"$1/etc/hostname"'
# mmdebstrap would empty what the furnishing has just filled.
_KEPT: Final = ("apt", "mmdebstrap", "reproducible", "run", "tmp")
_ONE_LOCALE: Final = 'echo en_US.UTF-8 UTF-8 >"$1/etc/locale.gen"'
_TIDY: Final = 'rm -rf "$1/mnt/decoy" && touch -r "$1/srv" "$1/mnt"'


async def bootstrap_base(engine: Engine, tag: str, report: Report) -> None:
    """Build a minimal root that has Python, and nothing else, and give it to podman."""
    await asyncio.to_thread(check_tools)
    async with workspace() as directory:
        tarball = directory / "root.tar"
        host = await asyncio.to_thread(archive.of_host)
        command = base_command(host, tarball, apt_options=await _apt_proxies())
        await _run(command, report)
        await import_root(engine, tarball, tag, {})


async def bootstrap(engine: Engine, recipe: Recipe, report: Report) -> None:
    """Build the decoy and give it to podman; HostError and ImageError say what is lacking."""
    await asyncio.to_thread(check_host)
    async with workspace() as directory:
        tarball = directory / "root.tar"
        options = await _apt_proxies()
        host = await asyncio.to_thread(archive.of_host)
        command = mmdebstrap_command(
            recipe, host, tarball, decoy=await furnishing(directory), apt_options=options
        )
        await _run(command, report)
        report(IMPORTING.stage, IMPORTING.fraction)
        await import_root(engine, tarball, recipe.tag, recipe.labels())


def check_host() -> None:
    """Raise ImageError without the programs for a build, HostError without the sub-ids."""
    check_tools()
    check_compiler()


def check_tools() -> None:
    """Raise as `check_host`, for a root in which nothing is compiled."""
    for program, package in _TOOLS.items():
        if shutil.which(program) is None:
            raise ImageError(
                f"{program} is not installed, and no image can be built without it: "
                f"run apt install {package}, or use --from IMAGE"
            )
    check_subids(getpass.getuser(), os.getuid())


def packages(text: str) -> tuple[str, ...]:
    """Read packages.txt."""
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def mmdebstrap_command(
    recipe: Recipe,
    host: Archive,
    tarball: Path,
    *,
    decoy: Path,
    apt_options: Sequence[str] = (),
) -> tuple[str, ...]:
    """Write the command line; temporary files lie beside the tarball."""
    wanted = packages((decoy / "packages.txt").read_text(encoding="utf-8"))
    return (
        *("env", f"TMPDIR={tarball.parent}", "LC_ALL=C.UTF-8", "mmdebstrap"),
        *("--mode=unshare", "--verbose", "--variant=minbase", "--format=tar"),
        f"--include={any_of(wanted)}",
        f"--skip={','.join(f'cleanup/{name}' for name in _KEPT)}",
        *(f"--aptopt={option}" for option in (*_APT_OPTIONS, *apt_options)),
        *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
        f"--essential-hook={_ONE_LOCALE}",
        f"--customize-hook=copy-in {shlex.quote(str(decoy))} /mnt",
        f"--customize-hook={furnish_hook(recipe)}",
        f"--customize-hook={_TIDY}",
        *(host.suite, str(tarball), *host.lines()),
    )


def base_command(host: Archive, tarball: Path, apt_options: Sequence[str] = ()) -> tuple[str, ...]:
    """Write the command line of a root that has Python, no package manager's lists and no apt."""
    return (
        *("env", f"TMPDIR={tarball.parent}", "LC_ALL=C.UTF-8", "mmdebstrap"),
        *("--mode=unshare", "--verbose", "--variant=essential", "--format=tar"),
        "--include=python3",
        *(f"--aptopt={option}" for option in (_APT_OPTIONS[0], *apt_options)),
        *(f"--dpkgopt={option}" for option in (*_DPKG_OPTIONS, *_DPKG_LESS)),
        f"--customize-hook={_ANONYMOUS}",
        *(host.suite, str(tarball), *host.lines()),
    )


def any_of(names: Sequence[str]) -> str:
    """Return an apt pattern for those packages that the release has."""
    return f"?or({','.join(f'?exact-name({name})' for name in names)})"


def furnish_hook(recipe: Recipe) -> str:
    """Return the shell command that furnishes the root that mmdebstrap passes as $1."""
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in recipe.variables())
    return f'env {settings} chroot "$1" sh /mnt/decoy/furnish.sh'


async def import_root(engine: Engine, tarball: Path, tag: str, labels: Mapping[str, str]) -> None:
    """Make a podman image of a root file system."""
    changes = [f"LABEL {name}={value}" for name, value in labels.items()]
    query = {"reference": tag, "changes": changes}
    file = await asyncio.to_thread(tarball.open, "rb")
    try:
        await engine.request(
            "POST", "/images/import", query=query, body=file, seconds=_IMPORT_SECONDS
        )
    finally:
        file.close()


def proxies(dump: str) -> Iterator[str]:
    """Pick the proxies from what ``apt-config dump`` prints: mmdebstrap does not read them."""
    return (match[1] for line in dump.splitlines() if (match := _PROXY.fullmatch(line)))


async def _apt_proxies() -> tuple[str, ...]:
    if shutil.which("apt-config") is None:
        return ()
    lines: list[str] = []
    await follow(("apt-config", "dump", "Acquire"), lines.append)
    return tuple(proxies("\n".join(lines)))


async def _run(command: Sequence[str], report: Report) -> None:
    progress = BootstrapProgress()
    errors: list[str] = []

    def on_line(line: str) -> None:
        if line.startswith(("E: ", "W: Failed")):
            errors.append(line[3:])
        if step := progress.feed(line):
            report(step.stage, step.fraction)

    started = time.monotonic()
    status = await follow(command, on_line)
    if status != 0:
        raise ImageError(failure(errors, status, time.monotonic() - started))


def failure(errors: Sequence[str], status: int, seconds: float) -> str:
    """Say in one sentence why mmdebstrap ended: its first complaint is the cause."""
    cause = errors[0] if errors else f"exit status {status} after {seconds:.0f} s"
    return (
        f"mmdebstrap could not build the decoy ({cause}): check that this machine's own "
        "apt-get update works for every user, then try again"
    )
