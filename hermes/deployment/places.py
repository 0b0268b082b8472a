"""Where the files of a deployment belong, by the kind of each.

podman-systemd.unit(5) and systemd.unit(5) name the directories.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hermes.settings_source import config_home

QUADLET: Final = frozenset({".container", ".volume", ".build", ".image", ".network", ".pod"})
SYSTEMD: Final = frozenset({".service", ".socket", ".slice", ".target"})


@dataclass(frozen=True)
class Places:
    """The directories of one deployment, and the user whose systemd runs it."""

    quadlet: Path
    systemd: Path
    config: Path
    user: str
    uid: int
    home: Path

    @classmethod
    def of_user(cls) -> Self:
        """Return those of the user who runs this process."""
        account = pwd.getpwuid(os.getuid())
        config = config_home()
        return cls(
            quadlet=config / "containers" / "systemd",
            systemd=config / "systemd" / "user",
            config=config / "hermes",
            user=account.pw_name,
            uid=account.pw_uid,
            home=Path.home(),
        )

    @classmethod
    def of_system(cls, user: str) -> Self:
        """Return those that root keeps for ``user``; raises KeyError when there is none."""
        account = pwd.getpwnam(user)
        return cls(
            quadlet=Path("/etc/containers/systemd/users") / str(account.pw_uid),
            systemd=Path("/etc/systemd/user"),
            config=Path(account.pw_dir) / ".config" / "hermes",
            user=user,
            uid=account.pw_uid,
            home=Path(account.pw_dir),
        )

    def path(self, name: str) -> Path:
        """Say where a file of this name belongs."""
        suffix = Path(name).suffix
        if suffix in QUADLET:
            return self.quadlet / name
        return (self.systemd if suffix in SYSTEMD else self.config) / name


def unit_of(name: str) -> str | None:
    """Name the unit that systemd makes of a file; None when it makes none."""
    stem, suffix = Path(name).stem, Path(name).suffix
    if suffix in SYSTEMD:
        return name
    if suffix not in QUADLET:
        return None
    return f"{stem}.service" if suffix == ".container" else f"{stem}-{suffix[1:]}.service"
