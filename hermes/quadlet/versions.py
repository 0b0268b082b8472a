"""Which version of podman brought which key of Quadlet.

Read from ``pkg/systemd/quadlet/quadlet.go`` at podman's release tags, which the notes of its
releases leave incomplete.
"""

import re
from typing import Final

from hermes.errors import SettingsError

Version = tuple[int, int]

OLDEST: Final[Version] = (4, 4)
NEWEST: Final[Version] = (5, 8)
BUILD_UNITS: Final[Version] = (5, 2)
QUADLET_SECTION: Final[Version] = (5, 3)
NO_HOSTNAME: Final[Version] = (5, 3)
"""Since when podman run has --no-hostname; before, the file is podman's own."""

SINCE: Final[dict[str, Version]] = {
    "AddCapability": (4, 4),
    "ContainerName": (4, 4),
    "DefaultDependencies": (5, 3),
    "DropCapability": (4, 4),
    "Environment": (4, 4),
    "Exec": (4, 4),
    "File": (5, 2),
    "GIDMap": (4, 8),
    "HostName": (4, 6),
    "Image": (4, 4),
    "ImageTag": (5, 2),
    "Label": (4, 4),
    "LogDriver": (4, 5),
    "Mask": (4, 6),
    "Memory": (5, 5),
    "Network": (4, 4),
    "NoNewPrivileges": (4, 4),
    "Notify": (4, 4),
    "PidsLimit": (4, 7),
    "PodmanArgs": (4, 4),
    "Pull": (4, 6),
    "ReadOnly": (4, 4),
    "ReadOnlyTmpfs": (4, 8),
    "SeccompProfile": (4, 4),
    "SecurityLabelDisable": (4, 5),
    "SetWorkingDirectory": (5, 2),
    "StopSignal": (5, 2),
    "StopTimeout": (5, 0),
    "Tmpfs": (4, 5),
    "UIDMap": (4, 8),
    # The key came with 4.7, but of several only the last one counted.
    "Ulimit": (5, 0),
    "User": (4, 4),
    "UserNS": (4, 5),
    "Volume": (4, 4),
    "VolumeName": (4, 7),
}


def parse_version(text: str) -> Version:
    """Read ``5.4`` or what ``podman --version`` prints; SettingsError where Quadlet is missing."""
    match = re.search(r"(\d+)\.(\d+)", text)
    if match is None:
        raise SettingsError(f"'{text}' is no version of podman: write it as 5.4")
    version = (int(match[1]), int(match[2]))
    if version < OLDEST:
        raise SettingsError(
            f"podman {show(version)} has no Quadlet: "
            f"install podman {show(OLDEST)} or later, or run hermes up under scripts/up"
        )
    return version


def show(version: Version) -> str:
    """Write a version as podman does."""
    return ".".join(map(str, version))
