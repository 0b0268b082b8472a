"""Hermes in the machine: the commands of an operator, and visitors who come to it."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import asyncssh

from tests.integration.running import wait_for
from tests.vm.machine.qemu import Machine

IMAGE: Final = "localhost/hermes-test:busybox"
START_SECONDS: Final = 300.0
_PROGRAM: Final = "/opt/hermes/venv/bin/hermes"
# Emulation takes many times as long.
_SETTINGS: Final = f"""\
HERMES_SSH__HOST=0.0.0.0
HERMES_SANDBOX__IMAGE={IMAGE}
HERMES_AUTH__FAILURE_DELAY_SECONDS=0
HERMES_POOL__SPAWN_TIMEOUT_SECONDS=120
"""


class Deployment:
    """A service that the user manager of ``hermes`` runs."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def install(self, wheels: Path) -> None:
        """Install the wheel, without a network."""
        self.machine.put(wheels, "/root/wheels")
        self.machine.run("python3 -m venv /opt/hermes/venv", user="root", seconds=300)
        pip = "/opt/hermes/venv/bin/pip install --quiet --no-index --find-links /root/wheels"
        self.machine.run(f"{pip} hermes-honeypot", user="root", seconds=400)

    def import_decoy(self, tree: bytes, change: str) -> None:
        """Make the image that sandboxes are made of."""
        command = f"podman import --quiet --change '{change}' - {IMAGE}"
        self.machine.run(command, stdin=tree, seconds=300)

    def start(self) -> str:
        """Install and start the units, as the README has it; returns what that says."""
        self.machine.run(
            "mkdir -p ~/.config/hermes; cat >~/.config/hermes/hermes.env", stdin=_SETTINGS.encode()
        )
        said = self.cli("quadlet install --now", seconds=START_SECONDS)
        self.ready()
        return said

    def ready(self) -> None:
        """Wait until all sandboxes that the pool wants are warm."""

        def warm() -> bool:
            pool = self.pool()
            return bool(pool) and pool["warm"] >= pool["target"]

        wait_for(warm, START_SECONDS, self.journal)

    def cli(self, arguments: str, *, check: bool = True, seconds: float = 60) -> str:
        """Run a command of Hermes as its user."""
        return self.machine.run(f"{_PROGRAM} {arguments}", check=check, seconds=seconds)

    def systemctl(self, arguments: str, *, check: bool = True) -> str:
        """Ask the user's systemd."""
        return self.machine.run(f"systemctl --user {arguments}", check=check, seconds=180)

    def pool(self) -> dict[str, Any]:
        """Ask for the pool's status; empty while nobody answers."""
        said = self.cli("pool status --json 2>/dev/null", check=False)
        found: dict[str, Any] = json.loads(said) if said.startswith("{") else {}
        return found

    def journal(self) -> str:
        """Return what the journal has of the service."""
        return self.machine.run("journalctl --user --unit hermes.service --no-pager --output cat")

    def containers(self) -> list[str]:
        """Name every container there is."""
        return self.machine.run("podman ps --all --format '{{.Names}}'").split()

    def visit(self, command: str, *, seconds: float = 120) -> str:
        """Log in from outside of the machine, and return what a command says."""
        return asyncio.run(self._visit(command, seconds)).strip()

    async def _visit(self, command: str, seconds: float) -> str:
        async with (
            asyncio.timeout(seconds),
            asyncssh.connect(
                "127.0.0.1",
                self.machine.front,
                username="root",
                password="toor",
                known_hosts=None,
                client_keys=None,
                config=None,
                login_timeout=seconds,
            ) as connection,
        ):
            done = await connection.run(f"exec 2>&1\n{command}", encoding="utf-8")
            return str(done.stdout)

    def cgroup_of_guest(self) -> str:
        """Return the cgroup of the sandbox that the visitor from outside has."""
        (name,) = [row["name"] for row in self.pool()["sandboxes"] if row["visitor"]]
        container = name.removeprefix("box-")  # of a unit's, the beginning of its id
        pid = self.machine.run(f"podman inspect --format '{{{{.State.Pid}}}}' {container}")
        line = self.machine.run(f"cat /proc/{pid}/cgroup", user="root")
        return f"/sys/fs/cgroup{line.partition('::')[2]}"
