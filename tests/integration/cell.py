"""A sandbox by its specification alone, for those who try to get out of it.

How an attempt is made inside stands in one place, `Cell.run`.
"""

import asyncio
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hermes.sandbox.api_service import connected
from hermes.sandbox.containers import delete_container
from hermes.sandbox.host import read_host
from hermes.sandbox.limits import unenforced
from hermes.sandbox.spec import resource_limits, sandbox_spec
from hermes.settings import SandboxSettings

ATTEMPTS = Path(__file__).with_name("attempts.c")
SECONDS = 30.0


@dataclass(frozen=True)
class Cell:
    """A running container whose first process only sleeps."""

    name: str
    pid: int
    settings: SandboxSettings

    def run(self, command: str, uid: int = 0) -> str:
        """Run a shell command inside and return all that it says."""
        done = subprocess.run(
            ["podman", "exec", "--user", f"{uid}:{uid}", self.name, "/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout.strip()

    def enforces(self, limit: str) -> bool:
        """Whether this machine holds it to a limit, named as the cgroup's file."""
        return limit not in unenforced(self.pid, resource_limits(self.settings))


def compiled(directory: Path) -> Path:
    """Compile the attempts, without any library that the sandbox would have to have."""
    program = directory / "attempts"
    subprocess.run(["gcc", "-O1", "-static", "-o", program, ATTEMPTS], check=True, timeout=60)
    return program


@contextmanager
def cell(image: str, directory: Path, program: Path | None, **fields: object) -> Iterator[Cell]:
    """Start one with the attempts in it; it is deleted afterwards.

    ``fields`` replace those of the specification, for one that is not as it should be.
    """
    settings = SandboxSettings()
    name = f"cell-{secrets.token_hex(4)}"
    try:
        pid = asyncio.run(_start(settings, image, name, directory, fields))
        if program is not None:
            copy = ["podman", "cp", str(program), f"{name}:/bin/attempts"]
            subprocess.run(copy, check=True, timeout=60)
        yield Cell(name, pid, settings)
    finally:
        asyncio.run(_delete(name, directory))


async def _start(
    settings: SandboxSettings, image: str, name: str, directory: Path, fields: dict[str, object]
) -> int:
    async with connected(None, directory) as engine:
        spec = sandbox_spec(
            settings,
            image=image,
            name=name,
            instance="cell",
            hostname="cell",
            timeout_seconds=600,
            host=await read_host(engine),
        ) | {"command": ["/bin/sleep", "600"], **fields}
        await engine.request("POST", "/containers/create", document=spec, seconds=60)
        await engine.request("POST", f"/containers/{name}/start", seconds=60)
        return int((await engine.json("GET", f"/containers/{name}/json"))["State"]["Pid"])


async def _delete(name: str, directory: Path) -> None:
    async with connected(None, directory) as engine:
        await delete_container(engine, name)
