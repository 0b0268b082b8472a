"""The settings that a unit passes on to Hermes: what differs from the defaults, and what must."""

from pathlib import Path
from typing import Final

from hermes.quadlet.places import CONFIG, RUNTIME, Places, escape, quote
from hermes.settings import Settings
from hermes.settings_source import as_text, rows

STATE: Final = "/var/lib/hermes"
"""In the container: the volume of the evidence."""
_SUPERVISED: Final = {
    "HERMES_RUNTIME_DIR": RUNTIME,
    "HERMES_PODMAN__SOCKET": f"{RUNTIME}/podman.sock",
    "HERMES_PODMAN__BROKER": f"{RUNTIME}/broker.sock",
    "HERMES_POOL__SUPERVISOR": "systemd",
}
_CONTAINED: Final = {
    "HERMES_EVIDENCE__DIR": f"{STATE}/evidence",
    "HERMES_SSH__HOST_KEY_DIR": f"{STATE}/host_keys",
    "XDG_CONFIG_HOME": "%E",
}
_USERDB: Final = "HERMES_AUTH__USERDB"


def of_program(settings: Settings, places: Places) -> list[str]:
    """Write the assignments for the shape that is a program."""
    return _written({**_chosen(settings, places), **_SUPERVISED})


def of_container(settings: Settings, places: Places) -> list[str]:
    """Write the assignments for the container, where evidence has one place."""
    words = _written({**_chosen(settings, places), **_SUPERVISED, **_CONTAINED})
    return [word.replace("$", "$$") for word in words]  # of a command line, unlike the program's


def userdb_directory(settings: Settings, places: Places) -> str | None:
    """Return where the userdb is, unless that is where all configuration is."""
    if settings.auth.userdb is None:
        return None
    directory = places.specify(settings.auth.userdb.parent)
    return None if directory in (CONFIG, "%h/.config/hermes") else directory


def _chosen(settings: Settings, places: Places) -> dict[str, str]:
    usual = {row.name: row.value for row in rows(Settings.model_validate({}))}
    return {
        row.name: _text(row.value, places) for row in rows(settings) if row.value != usual[row.name]
    }


def _text(value: object, places: Places) -> str:
    return places.specify(value) if isinstance(value, Path) else escape(as_text(value))


def _written(values: dict[str, str]) -> list[str]:
    return [quote(f"{name}={value}") for name, value in values.items()]
