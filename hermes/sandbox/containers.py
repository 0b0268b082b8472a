"""What podman has of an instance of Hermes: finding it, and removing what nobody owns."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Container
from time import monotonic
from typing import Final

from hermes.errors import PodmanNotFoundError
from hermes.sandbox.engine import Engine
from hermes.sandbox.spec import INSTANCE_LABEL, SUPERVISOR_LABEL

log = logging.getLogger(__name__)

_REMOVED_SECONDS: Final = 10.0
_REMOVED_POLL_SECONDS: Final = 0.1


async def delete_container(engine: Engine, name: str) -> None:
    """Remove a container by force, at once; one that is gone is no error."""
    query = {"force": "true", "timeout": "0", "v": "true"}
    with contextlib.suppress(PodmanNotFoundError):
        await engine.request("DELETE", f"/containers/{name}", query=query)


async def is_gone(engine: Engine, container: str) -> bool:
    """Wait for a unit of systemd to remove what has ended; False when it does not in time."""
    deadline = monotonic() + _REMOVED_SECONDS
    while monotonic() < deadline:
        try:
            await engine.request("GET", f"/containers/{container}/exists")
        except PodmanNotFoundError:
            return True
        await asyncio.sleep(_REMOVED_POLL_SECONDS)
    return False


async def members(engine: Engine) -> dict[str, str]:
    """Map the ids of the running containers that units of systemd keep to their images' ids."""
    filters = json.dumps({"label": [f"{SUPERVISOR_LABEL}=systemd"], "status": ["running"]})
    found = await engine.json("GET", "/containers/json", query={"filters": filters})
    return {str(container["Id"]): str(container["ImageID"]) for container in found or []}


async def leftovers(engine: Engine, instance: str) -> list[str]:
    """Name every container of this instance, running or not."""
    filters = f'{{"label":["{INSTANCE_LABEL}={instance}"]}}'
    query = {"all": "true", "filters": filters}
    found = await engine.json("GET", "/containers/json", query=query)
    return [str(container["Names"][0]) for container in found or []]


async def sweep(engine: Engine, instance: str, known: Container[str] = ()) -> None:
    """Delete the containers of this instance that are not ``known``; raises PodmanError.

    An earlier run may have left some, and podman may make one after it was given up.
    """
    for name in await leftovers(engine, instance):
        if name not in known:
            log.info("removing %s, which nobody owns", name)
            await delete_container(engine, name)
