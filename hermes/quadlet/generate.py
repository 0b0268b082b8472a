"""All files of a deployment: their names and their text."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hermes.errors import SettingsError
from hermes.quadlet import broker, members, pool, service
from hermes.quadlet.places import Places
from hermes.quadlet.versions import BUILD_UNITS, Version
from hermes.settings import Settings

# Words of shell commands and of unit files, so nothing that either would read otherwise.
_IMAGE: Final = re.compile(r"[a-z0-9][a-z0-9._/:@-]*", re.IGNORECASE)
SECCOMP: Final = "seccomp.json"
CONTAINERS_CONF: Final = "containers.conf"
CONFIGURATION: Final = frozenset({SECCOMP, CONTAINERS_CONF})
"""What belongs in the directory of the configuration; all else is units."""


class Shape(StrEnum):
    """What the service itself is."""

    PROGRAM = "program"
    CONTAINER = "container"
    ALL = "all"


@dataclass(frozen=True)
class Sources:
    """What of this installation goes into the files."""

    seccomp: str
    """The profile of a sandbox, as JSON."""
    init_label: str
    """The label of an image that has this version's init, with its value."""


def generate(
    settings: Settings, version: Version, places: Places, sources: Sources, shape: Shape
) -> dict[str, str]:
    """Compose every file by its name; SettingsError for what a unit cannot express."""
    if not _IMAGE.fullmatch(settings.sandbox.image):
        raise SettingsError(f"HERMES_SANDBOX__IMAGE is '{settings.sandbox.image}', no image's name")
    files = _common(settings, version, sources)
    if shape is not Shape.CONTAINER:
        files |= _program(settings, places)
    if shape is not Shape.PROGRAM:
        files |= _container(settings, version, places, sources)
    return dict(sorted(files.items()))


def systemd_directory(name: str) -> bool:
    """Whether systemd reads a file itself, and not Quadlet."""
    return name.endswith((".service", ".socket", ".slice", ".target"))


def _common(settings: Settings, version: Version, sources: Sources) -> dict[str, str]:
    files = {
        "hermes.target": pool.target(settings),
        "hermes.slice": pool.slice_unit(settings),
        "hermes.socket": service.socket_unit(settings),
        "hermes-podman.socket": pool.podman_socket(),
        "hermes-podman.service": pool.podman_service(),
        "hermes-sandbox@.container": members.member(settings, version),
        CONTAINERS_CONF: pool.containers_conf(),
        SECCOMP: sources.seccomp,
    }
    if settings.sandbox.hostname is None:
        files["hermes-hostname.service"] = members.hostname_unit(settings)
    return files


def _program(settings: Settings, places: Places) -> dict[str, str]:
    return {
        "hermes.service": service.program(settings, places),
        "hermes-broker.service": broker.program(places),
        "hermes-decoy.service": pool.decoy_service(settings, places),
    }


def _container(
    settings: Settings, version: Version, places: Places, sources: Sources
) -> dict[str, str]:
    files = {
        "hermes.container": service.container(settings, places, version),
        "hermes-broker.container": broker.container(version),
        "hermes-evidence.volume": service.volume(version),
    }
    if version >= BUILD_UNITS:
        label = sources.init_label
        files["hermes-decoy.build"] = pool.decoy_build(settings, places, version, label)
    else:  # an image cannot be built by a unit of Quadlet yet
        files["hermes-decoy.service"] = pool.decoy_service(settings, places)
    return files
