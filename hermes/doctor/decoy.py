"""Reads the decoy from a container that is never started."""

import hashlib
from pathlib import Path
from typing import Final

from hermes.doctor import persona
from hermes.doctor.check import Check, fail, warn
from hermes.errors import ImageError
from hermes.image import DEFAULT_TAG, guest_init, identity_of
from hermes.image.catalogue import label_of
from hermes.sandbox.api_service import connected
from hermes.sandbox.containers import delete_container, sweep
from hermes.sandbox.decoy import DEFAULT_BANNER, image_id, installed_banner, read_decoy, read_file
from hermes.sandbox.engine import Engine
from hermes.sandbox.spec import COMMAND, INSTANCE_LABEL
from hermes.settings import Settings

_RELEASE: Final = ("/usr/lib/os-release", "/etc/os-release")
_SSH: Final = "/usr/bin/ssh"


async def decoy(settings: Settings) -> tuple[list[Check], bool]:
    """Judge the image of the sandboxes, and tell whether Hermes built it; raises HermesError."""
    runtime_dir, image = settings.runtime_dir, settings.sandbox.image
    async with connected(settings.podman.socket, runtime_dir) as engine:
        try:
            who = await identity_of(engine, image)
        except ImageError:
            return [_missing(image)], True
        found = await _read(engine, image, runtime_dir, who.hostname if who else None)
    announced = settings.ssh.banner or found.banner or DEFAULT_BANNER
    return persona.checks(found, announced), who is not None


def _missing(image: str) -> Check:
    found = f"podman has no image {image}"
    if image == DEFAULT_TAG:
        return warn("decoy", f"{found}; hermes up will build it", "hermes image build")
    fix = f"hermes image build --tag {image}, or unset HERMES_SANDBOX__IMAGE"
    return fail("decoy", found, fix)


async def _read(
    engine: Engine, image: str, runtime_dir: Path, labelled: str | None
) -> persona.Persona:
    instance = hashlib.sha256(f"doctor {runtime_dir}".encode()).hexdigest()[:12]
    await sweep(engine, instance)  # what one that was killed has left
    document = {"image": image, "command": list(COMMAND), "labels": {INSTANCE_LABEL: instance}}
    created = await engine.json("POST", "/containers/create", document=document, settle=True)
    name = str(created["Id"])
    try:
        facts = await read_decoy(engine, name, await image_id(engine, image))
        releases = [await read_file(engine, name, path) for path in _RELEASE]
        return persona.Persona(
            banner=await installed_banner(engine, name) or "",
            os_release=next(filter(None, releases), ""),
            ssh=await read_file(engine, name, _SSH),
            hostname=facts.hostname,
            labelled_hostname=labelled,
            has_init=await _has_init(engine, image),
        )
    finally:
        await delete_container(engine, name)


async def _has_init(engine: Engine, image: str) -> bool:
    """Whether its first process is the one that this version speaks with."""
    document = await engine.json("GET", f"/images/{image}/json")
    return label_of(document, guest_init.LABEL) == guest_init.version()
