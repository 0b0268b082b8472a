"""Whether everything that a visitor can see of the decoy tells one story. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hermes.doctor.check import Check, fail, ok, warn

_BUILD: Final = "hermes image build"
_RELEASE_FIELD: Final = re.compile(r"""^(\w+)=["']?([^"'\n]*)["']?$""", re.MULTILINE)
_DEBIAN: Final = re.compile(r"[+~]deb(\d+)u")


@dataclass(frozen=True)
class Persona:
    """What the image says of itself."""

    banner: str
    """As its installed OpenSSH would announce itself; empty without one."""
    os_release: str
    ssh: str
    """The program, to be searched for what ``ssh -V`` prints; empty without one."""
    hostname: str
    labelled_hostname: str | None
    """None for an image that was not built here."""
    has_init: bool


def checks(persona: Persona, announced: str) -> list[Check]:
    """Judge the image of the sandboxes; ``announced`` is the identification line in force."""
    return [_init(persona), _label(persona), _story(persona, announced)]


def _init(persona: Persona) -> Check:
    if persona.has_init:
        return ok("decoy", f"there, host name {persona.hostname}")
    return fail(
        "decoy", "it has no init of this version of hermes, so no sandbox can start", _BUILD
    )


def _label(persona: Persona) -> Check:
    if persona.labelled_hostname is None:
        found = "hermes did not build it, so it is no server of its own"
        return warn("decoy label", found, _BUILD)
    if persona.labelled_hostname != persona.hostname:
        found = f"built as {persona.labelled_hostname}, /etc/hostname says {persona.hostname}"
        return warn("decoy label", found, _BUILD)
    return ok("decoy label", f"built by hermes as {persona.labelled_hostname}")


def _story(persona: Persona, announced: str) -> Check:
    contradictions = list(_contradictions(persona, announced))
    if contradictions:
        fix = f"leave HERMES_SSH__BANNER empty; if it is, {_BUILD}"
        return warn("decoy persona", "; ".join(contradictions), fix)
    return ok("decoy persona", f"one story: {announced}")


def _contradictions(persona: Persona, announced: str) -> Iterator[str]:
    version = announced.removeprefix("SSH-2.0-")
    if not persona.banner:
        yield f"{version} is announced, and no openssh-server is installed"
    elif persona.banner != announced:
        yield f"{version} is announced, {persona.banner.removeprefix('SSH-2.0-')} is installed"
    if persona.ssh and version not in persona.ssh:
        yield f"ssh -V does not say {version}"
    yield from _of_release(dict(_RELEASE_FIELD.findall(persona.os_release)), version)


def _of_release(release: dict[str, str], version: str) -> Iterator[str]:
    name, number = release.get("ID", ""), release.get("VERSION_ID", "")
    for vendor in ("Debian", "Ubuntu"):
        if vendor in version and name != vendor.lower():
            yield f"{version} is {vendor}'s, /etc/os-release says {name or 'nothing'}"
    mended = _DEBIAN.search(version)
    if mended and number and mended[1] != number:
        yield f"{version} is Debian {mended[1]}'s, /etc/os-release says {number}"
