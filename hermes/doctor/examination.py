"""Every check, in the order in which one depends on another."""

import asyncio
import os
import platform
import pwd
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from hermes.control import ask, control_path
from hermes.doctor import cgroups, host, kernel_limits, podman_info, port, requirements, versions
from hermes.doctor.check import Check, Status, fail, install, ok
from hermes.doctor.decoy import decoy
from hermes.errors import ControlError, HermesError, PodmanError
from hermes.settings import Settings


async def examine(settings: Settings) -> list[Check]:
    """Check everything that can be checked, whether a service runs or not."""
    service = await asyncio.to_thread(_ask_service, settings)
    checks = await asyncio.to_thread(lambda: list(_host(settings, service)))
    return [*checks, *await _podman(settings)]


def _ask_service(settings: Settings) -> dict[str, Any]:
    """Ask the running service for its pool and its addresses; empty when none runs."""
    path = control_path(settings.runtime_dir)
    try:
        return {"pool": ask(path, "pool"), "addresses": ask(path, "addresses")}
    except ControlError:
        return {}


def _host(settings: Settings, service: dict[str, Any]) -> Iterator[Check]:
    uid, most = os.getuid(), settings.pool.max
    name = _name_of(uid)
    yield _service(service)
    yield requirements.user(os.geteuid())
    yield requirements.subids(name, uid)
    yield host.id_mapping()
    yield versions.kernel(platform.release())
    yield versions.asyncssh(metadata.version("asyncssh"))
    yield from _limits(settings, service, uid)
    yield kernel_limits.keyrings(most, own_service=settings.podman.socket is None)
    yield kernel_limits.inotify(most)
    yield kernel_limits.pipes(most)
    yield host.lingering(name)
    yield host.vsock()
    yield host.clock()
    yield host.compiler()
    yield host.space("evidence", settings.evidence.dir)
    yield port.port(settings.ssh.host, settings.ssh.port, service.get("addresses") or ())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a number that no user has
        return str(uid)


def _service(service: dict[str, Any]) -> Check:
    if not service:
        return ok("service", "no hermes runs here")
    pool = service["pool"]
    return ok("service", f"hermes runs, {pool['warm']} of {pool['target']} sandboxes are warm")


def _limits(settings: Settings, service: dict[str, Any], uid: int) -> Iterator[Check]:
    """What a running service has proved counts more than what the host promises."""
    promised = cgroups.cgroups(uid)
    proved = service["pool"]["limits_enforced"] if service else promised.status is Status.OK
    yield promised
    listening = [address.rpartition(":")[0].strip("[]") for address in service.get("addresses", ())]
    yield requirements.reach(
        listening or settings.ssh.host,
        limits_enforced=proved,
        require_limits=settings.sandbox.require_limits,
    )


async def _podman(settings: Settings) -> list[Check]:
    try:
        info = await asyncio.to_thread(podman_info.ask_podman, settings.podman.socket)
    except PodmanError as error:
        fix = f"run scripts/up, or {install('podman')}; then 'podman info' should work"
        return [fail("podman", str(error), fix)]
    found, own_image = await _decoy(settings)
    return [
        versions.podman(info.version, own_image=own_image),
        versions.crun(info.runtime),
        versions.conmon(info.conmon),
        podman_info.rootless(info),
        podman_info.storage(info),
        await asyncio.to_thread(host.space, "images", info.graph_root),
        *found,
    ]


async def _decoy(settings: Settings) -> tuple[list[Check], bool]:
    try:
        return await decoy(settings)
    except HermesError as error:
        return [fail("decoy", f"it cannot be read: {error}", "see whether 'podman ps' works")], True
