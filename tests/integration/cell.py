"""Those who try to get out: a running service's visitors, and a sandbox that is altered."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermes.resources import seccomp_profile
from hermes.sandbox.api_service import connected
from hermes.sandbox.attach import Attacher
from hermes.sandbox.decoy import Decoy
from hermes.sandbox.host import read_host
from hermes.sandbox.limits import differences
from hermes.sandbox.sandbox import Plan, Sandbox
from hermes.sandbox.spec import resource_limits, sandbox_spec
from hermes.settings import SandboxSettings
from tests.integration.running import Hermes

ATTEMPTS = Path(__file__).with_name("attempts.c")
ROOT, USER = "root", "oracle"
_MARK = "=== "
_SECONDS = 90.0


@dataclass(frozen=True)
class Cell:
    """The sandbox of the visitor who comes from one address."""

    hermes: Hermes
    source: str

    def run(self, command: str, user: str = ROOT, stdin: bytes = b"") -> str:
        """Log in, run a shell command and return all that it says."""
        return asyncio.run(self._run(command, user, stdin)).strip()

    def answers(self, commands: list[str], user: str) -> list[str]:
        """Run many commands in one session, each in a shell of its own; return what each says."""
        steps = (
            f"echo; echo '{_MARK}'; sh -c {_quoted(command)} </dev/null 2>&1"
            for command in commands
        )
        said = self.run("\n".join(steps), user)
        return [part.strip() for part in said.split(_MARK)[1:]]

    def put(self, file: Path, path: str) -> None:
        """Bring a program, as bots do."""
        self.run(f"cat >{path} && chmod 755 {path}", stdin=file.read_bytes())

    def enforces(self, limit: str) -> bool:
        """Whether this machine holds it to a limit, named as the cgroup's file."""
        rows = self.hermes.pool()["sandboxes"]
        (name,) = [row["name"] for row in rows if row["visitor"] == self.source]
        command = ["podman", "inspect", name]
        told = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
        pid = int(json.loads(told)[0]["State"]["Pid"])
        missed = differences(pid, resource_limits(SandboxSettings()))
        return limit not in [name for name, _, _ in missed]

    async def _run(self, command: str, user: str, stdin: bytes) -> str:
        async with asyncio.timeout(_SECONDS), self.hermes.connect(user, source=self.source) as one:
            done = await one.run(f"exec 2>&1\n{command}", input=stdin, encoding=None)
            assert isinstance(done.stdout, bytes)
            return done.stdout.decode(errors="replace")


def _quoted(command: str) -> str:
    return "'" + command.replace("'", "'\\''") + "'"


def compiled(directory: Path) -> Path:
    """Compile the attempts, without any library that the sandbox would have to have."""
    program = directory / "attempts"
    subprocess.run(["gcc", "-O1", "-static", "-o", program, ATTEMPTS], check=True, timeout=60)
    return program


class Altered(Sandbox):
    """A sandbox some of whose specification is not as it should be."""

    fields: dict[str, Any]

    async def create(self) -> None:
        """Create the container, not running yet."""
        spec = sandbox_spec(
            self._plan.settings,
            image=self._decoy.image,
            name=self.name,
            instance=self._plan.instance,
            hostname="cell",
            timeout_seconds=self._plan.timeout_seconds,
            host=self._plan.host,
        )
        path = "/containers/create"
        await self._engine.request("POST", path, document=spec | self.fields, seconds=60)


@contextlib.asynccontextmanager
async def altered(image: str, directory: Path, fields: dict[str, Any]) -> AsyncIterator[Altered]:
    """Start a sandbox with ``fields`` in place of the specification's; it is deleted afterwards."""
    async with connected(None, directory) as engine:
        plan = Plan(SandboxSettings(), "cell", 600, host=await read_host(engine, seccomp_profile()))
        box = Altered(engine, plan, Decoy(image))
        box.fields = fields
        try:
            await box.create()
            await box.start(Attacher(engine, None))
            yield box
        finally:
            await box.end()
            await box.delete()
