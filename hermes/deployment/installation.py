"""One deployment: what it consists of, put in place, started, stopped and taken away."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes.deployment import files
from hermes.deployment.manager import Manager
from hermes.deployment.places import Places, unit_of
from hermes.deployment.rehearsal import rehearse
from hermes.errors import DeploymentError

SERVICE: Final = "hermes.service"
SOCKET: Final = "hermes.socket"
TARGET: Final = "hermes.target"
_POLL_SECONDS: Final = 0.3
_VOLUME: Final = "hermes-evidence"
_LABELS: Final = ("hermes.supervisor", "hermes.instance")


@dataclass(frozen=True)
class Progress:
    """How far the start of the service is: systemd's word, and the service's own."""

    active: str
    status: str


class Installation:
    """The files of a deployment in their places, and the systemd that reads them."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.manager = Manager(places)

    def running(self) -> bool:
        """Whether its service or its socket is there already."""
        return any(self._active(unit) in {"active", "activating"} for unit in (SERVICE, SOCKET))

    def check(self, units: Mapping[str, str], obsolete: Iterable[str]) -> None:
        """See that nothing stands in the way; raises DeploymentError, nothing changed."""
        self.manager.check()
        self._check_lingering()
        taken = files.foreign(self.places, [*units, *obsolete]) or list(self._elsewhere(units))
        if taken:
            raise DeploymentError(
                f"{taken[0]} is a unit that Hermes did not write; move it away, "
                "or give that service another name"
            )
        rehearse(units)

    def put(self, units: Mapping[str, str], obsolete: Iterable[str]) -> None:
        """Write the files and have them read; raises DeploymentError, nothing changed."""
        swap = files.write(self.places, units, obsolete)
        try:
            self.manager.reload()
            self.manager.systemctl("enable", TARGET)
        except DeploymentError:
            swap.undo()
            self.manager.reload()
            raise

    def start(self, *, again: bool) -> None:
        """Ask for the start of everything; returns at once."""
        if again:
            self.manager.systemctl("stop", TARGET, SERVICE)
        self.manager.systemctl("reset-failed")
        self.manager.systemctl("start", "--no-block", TARGET)

    def follow(self, seconds: float) -> Iterator[Progress]:
        """Yield how the start goes until it is done; raises DeploymentError when it fails."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.manager.show(SERVICE, "ActiveState", "StatusText", "Result", "NRestarts")
            yield Progress(now.get("ActiveState", ""), now.get("StatusText", ""))
            if now.get("ActiveState") == "active":
                return
            if now.get("ActiveState") == "failed" or int(now.get("NRestarts") or 0) > 1:
                raise DeploymentError(self._why(now))
            if time.monotonic() > deadline:
                raise DeploymentError(f"hermes was not ready in {seconds:g} s; {self._look()}")
            time.sleep(_POLL_SECONDS)

    def remove(self, names: Iterable[str]) -> list[Path]:
        """Stop everything and take it away but for the evidence; returns the removed files."""
        present = [name for name in names if self.places.path(name).exists()]
        ours = [name for name in present if not files.foreign(self.places, [name])]
        units = [unit for name in ours if (unit := unit_of(name))]
        self._stop(units)
        paths = [self.places.path(name) for name in ours]
        for path in paths:
            path.unlink()
        self.manager.reload()
        return paths

    def clear(self) -> int:
        """Remove the containers that are left; returns how many there were."""
        left: set[str] = set()
        for label in _LABELS:
            command = ("podman", "ps", "--all", "--quiet", "--filter", f"label={label}")
            left |= set(self.manager.run(*command).split())
        if left:
            self.manager.run("podman", "rm", "--force", "--time=0", "--volumes", *sorted(left))
        return len(left)

    def evidence(self, configured: Path) -> Path:
        """Say where the evidence is: in a volume of podman's when the service is a container."""
        if not self.places.path("hermes.container").exists():
            return configured
        command = ("podman", "volume", "inspect", "--format", "{{.Mountpoint}}", _VOLUME)
        try:
            return Path(self.manager.run(*command).strip()) / "evidence"
        except DeploymentError:  # it was never started
            return configured

    def _stop(self, units: Iterable[str]) -> None:
        plain = [unit for unit in units if "@" not in unit]
        if TARGET in plain:
            self.manager.systemctl("disable", TARGET)
        if plain:
            # The service first: it harvests, and lets go of the sandboxes.
            self.manager.systemctl("stop", TARGET, SOCKET, SERVICE)
            self.manager.systemctl("stop", "hermes-sandbox@*.service", *plain)

    def _check_lingering(self) -> None:
        user = self.places.user
        if not (Path("/var/lib/systemd/linger") / user).exists():
            raise DeploymentError(
                f"systemd ends what {user} runs when {user} logs out; "
                f"run as root: loginctl enable-linger {user}"
            )

    def _elsewhere(self, units: Iterable[str]) -> Iterator[Path]:
        """Find units of our names that systemd has from another place."""
        for name in units:
            unit = unit_of(name)
            if unit is None or "@" in unit:
                continue
            path = self.manager.show(unit, "FragmentPath").get("FragmentPath", "")
            generated = "/systemd/generator" in path
            if path and not generated and Path(path) != self.places.path(unit):
                yield Path(path)

    def _active(self, unit: str) -> str:
        return self.manager.show(unit, "ActiveState").get("ActiveState", "")

    def _why(self, now: Mapping[str, str]) -> str:
        said = now.get("StatusText") or f"result {now.get('Result')}"
        return f"hermes did not start ({said}); {self._look()}"

    def _look(self) -> str:
        return f"see journalctl --user --unit {SERVICE} as {self.places.user}"
