"""What podman has of an instance of Hermes: finding it, and removing what nobody owns."""

import contextlib
import logging
from collections.abc import Container

from hermes.errors import PodmanNotFoundError
from hermes.sandbox.engine import Engine
from hermes.sandbox.spec import INSTANCE_LABEL

log = logging.getLogger(__name__)


async def delete_container(engine: Engine, name: str) -> None:
    """Remove a container by force, at once; one that is gone is no error."""
    query = {"force": "true", "timeout": "0", "v": "true"}
    with contextlib.suppress(PodmanNotFoundError):
        await engine.request("DELETE", f"/containers/{name}", query=query)


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
