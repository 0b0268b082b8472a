"""The systemd of one user, asked by systemctl(1)."""

import os
import subprocess
from collections.abc import Sequence
from typing import Final

from hermes.deployment.places import Places
from hermes.errors import DeploymentError

_SECONDS: Final = 120.0


class Manager:
    """Runs systemctl and other programs as the user of a deployment."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def check(self) -> None:
        """See that it answers; raises DeploymentError with the fix."""
        if self._run("systemctl", "--user", "show-environment").returncode:
            user = self._places.user
            raise DeploymentError(
                f"no systemd runs for the user {user}; run as root: loginctl enable-linger {user}, "
                f"and then log in as {user} anew (su and sudo open no session: "
                f"machinectl shell {user}@ or ssh do)"
            )

    def reload(self) -> None:
        """Have it read all units again."""
        self.systemctl("daemon-reload")

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit; empty ones for a unit that is not there."""
        asked = [f"--property={name}" for name in properties]
        lines = self.systemctl("show", unit, *asked).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def systemctl(self, *arguments: str) -> str:
        """Run ``systemctl --user``; raises DeploymentError with its own last words."""
        return self.run("systemctl", "--user", *arguments)

    def run(self, *command: str) -> str:
        """Run a program as the user and return what it says; raises DeploymentError."""
        done = self._run(*command)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            words = f": {said[0]}" if said else f" (status {done.returncode})"
            raise DeploymentError(f"'{' '.join(command)}' failed{words}")
        return done.stdout

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        whole = [*self._becoming(), *command]
        try:
            return subprocess.run(
                whole, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except FileNotFoundError as error:
            raise DeploymentError(
                f"{whole[0]} is not installed: this machine has no systemd"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise DeploymentError(
                f"'{' '.join(command)}' took longer than {_SECONDS:g} s"
            ) from error

    def _becoming(self) -> Sequence[str]:
        if os.getuid() == self._places.uid:
            return ()
        runtime = f"/run/user/{self._places.uid}"
        return (
            *("runuser", "--user", self._places.user, "--", "env"),
            f"HOME={self._places.home}",
            f"XDG_RUNTIME_DIR={runtime}",
            f"DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus",
        )
