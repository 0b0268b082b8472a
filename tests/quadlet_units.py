"""Units of a deployment, read as systemd and Quadlet read them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hermes.image import guest_init
from hermes.quadlet.generate import Shape, Sources, generate
from hermes.quadlet.places import Places
from hermes.quadlet.versions import Version
from hermes.resources import seccomp_profile
from hermes.settings import Settings, runtime_directory

KINDS: Final = (".container", ".volume", ".build")
REPOSITORY: Final[Version] = (5, 4)
"""The podman that quadlet/ is for: that of Debian 13."""
# As podman-systemd.unit(5) has them.
_FLAGS: Final = {
    "AddCapability": "cap-add",
    "ContainerName": "name",
    "DropCapability": "cap-drop",
    "Environment": "env",
    "GIDMap": "gidmap",
    "HostName": "hostname",
    "Label": "label",
    "LogDriver": "log-driver",
    "Memory": "memory",
    "Network": "network",
    "PidsLimit": "pids-limit",
    "Pull": "pull",
    "ReadOnly": "read-only",
    "ReadOnlyTmpfs": "read-only-tmpfs",
    "StopSignal": "stop-signal",
    "Tmpfs": "tmpfs",
    "UIDMap": "uidmap",
    "Ulimit": "ulimit",
}
_SECURITY: Final = {"Mask": "mask=", "SeccompProfile": "seccomp="}


def files(
    version: Version = REPOSITORY,
    settings: Settings | None = None,
    shape: Shape = Shape.ALL,
    places: Places | None = None,
) -> dict[str, str]:
    """Generate for the settings given, or for the defaults."""
    label = f"{guest_init.LABEL}={guest_init.version()}"
    sources = Sources(seccomp_profile().read_text(), label)
    wanted = settings or Settings.model_validate({})
    here = Places(home=Path.home(), runtime=runtime_directory())
    return generate(wanted, version, places or here, sources, shape)


def entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of every line that is one."""
    section = ""
    for line in text.replace("\\\n", "").splitlines():
        if match := re.fullmatch(r"\[(.+)\]", line):
            section = match[1]
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield section, key, value


def run_options(text: str) -> frozenset[str]:
    """Expand a ``.container`` to the options of podman run that it stands for."""
    found: set[str] = set()
    for section, key, value in entries(text):
        if section == "Container" and key not in ("Image", "Exec"):
            found.update(_expanded(key, value))
    return frozenset(found)


def _expanded(key: str, value: str) -> list[str]:
    if key == "PodmanArgs":
        return [_plain(word) for word in shlex.split(value)]
    if key == "NoNewPrivileges":
        return ["--security-opt=no-new-privileges"]
    if key in _SECURITY:
        return [f"--security-opt={_SECURITY[key]}{value}"]
    return [_plain(f"--{_FLAGS[key]}={word}") for word in shlex.split(value)]


def _plain(option: str) -> str:
    return option.removesuffix("=true")
