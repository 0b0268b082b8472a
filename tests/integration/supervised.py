"""What units of systemd do for a supervised pool, done by a test: API, broker and members."""

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hermes.quadlet.versions import OLDEST
from hermes.resources import seccomp_profile
from hermes.sandbox.api_service import CONTAINERS_CONF
from tests.integration.running import wait_for
from tests.quadlet_units import files, run_options

NAMES: Final = "hermes-test-member"


@dataclass
class Units:
    """The running services, and members that are started again when they have ended."""

    directory: Path
    image: str
    size: int = 2
    _ending: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> dict[str, str]:
        """What a service needs to know of them."""
        return {
            "POOL__SUPERVISOR": "systemd",
            "POOL__SIZE": str(self.size),
            "PODMAN__SOCKET": str(self.directory / "podman.sock"),
            "PODMAN__BROKER": str(self.directory / "broker.sock"),
        }

    def keep(self, number: int) -> None:
        """Start one member again and again, as its unit does."""
        name = f"{NAMES}-{number}"
        while not self._ending.is_set():
            self._podman("run", "--detach", "--rm", *_options(name), self.image, "/sbin/init")
            self._podman("wait", name)
            self._podman("rm", "--force", "--ignore", "--time=0", name)

    def end(self) -> None:
        """Let no member start again."""
        self._ending.set()

    def remove(self) -> None:
        """Remove the members that are left."""
        for number in range(self.size):
            self._podman("rm", "--force", "--ignore", "--time=0", f"{NAMES}-{number}")

    def _podman(self, *arguments: str) -> None:
        configuration = self.directory / "containers.conf"
        command = ["env", f"CONTAINERS_CONF={configuration}", "podman", *arguments]
        subprocess.run(command, check=False, capture_output=True, timeout=180)


@contextlib.contextmanager
def running(directory: Path, image: str, size: int = 2) -> Iterator[Units]:
    """Everything but the service itself."""
    units = Units(directory, image, size)
    text = CONTAINERS_CONF.format(cgroup_manager="cgroupfs")
    (directory / "containers.conf").write_text(text)
    api = ("podman", "system", "service", "--time=0", f"unix://{directory}/podman.sock")
    broker = (sys.executable, "-m", "hermes.sandbox.broker", "--listen")
    with (
        _program(directory, *api),
        _program(directory, "podman", "unshare", *broker, f"{directory}/broker.sock"),
    ):
        for name in ("podman.sock", "broker.sock"):
            wait_for((directory / name).exists, 20.0)
        keepers = [threading.Thread(target=units.keep, args=(n,)) for n in range(size)]
        for keeper in keepers:
            keeper.start()
        try:
            yield units
        finally:
            units.end()
            units.remove()
            for keeper in keepers:
                keeper.join(30.0)
            units.remove()


@contextlib.contextmanager
def _program(directory: Path, *command: str) -> Iterator[None]:
    environment = {**os.environ, "CONTAINERS_CONF": str(directory / "containers.conf")}
    # podman unshare passes no signal on, so that all of it is a group of its own.
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    ) as program:
        try:
            yield
        finally:
            os.killpg(program.pid, signal.SIGTERM)


def _options(name: str) -> Sequence[str]:
    """Expand the unit, with what systemd and this machine put into it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    instead = {
        "hermes-sandbox-%i": name,
        "${DECOY_HOSTNAME}": "cell",
        "%E/hermes/seccomp.json": str(seccomp_profile()),
        "nofile=1024:524288": f"nofile=1024:{min(most, 1 << 20)}",
    }
    said = sorted(run_options(files(_installed())["hermes-sandbox@.container"]))
    for word, other in instead.items():
        said = [one.replace(word, other) for one in said]
    return said


def _installed() -> tuple[int, int]:
    """The podman of this machine; one before Quadlet is told all by options, as the first was."""
    version = subprocess.run(["podman", "--version"], check=True, capture_output=True, text=True)
    numbers = re.findall(r"\d+", version.stdout)
    return max(OLDEST, (int(numbers[0]), int(numbers[1])))
