"""Building, and making sure that there is something to build sandboxes from."""

import contextlib
from typing import Final

from hermes.errors import ImageError, PodmanError, PodmanNotFoundError
from hermes.image import guest_init
from hermes.image.bootstrap import bootstrap
from hermes.image.catalogue import label_of
from hermes.image.derive import derive, exists
from hermes.image.identity import Identity
from hermes.image.progress import DONE, MAPPING, Report
from hermes.image.recipe import BOOTSTRAP, DEFAULT_TAG, Recipe
from hermes.sandbox.engine import Engine
from hermes.sandbox.host import read_ids
from hermes.sandbox.spec import id_mapping

_COPY_SECONDS: Final = 600.0


async def build(engine: Engine, recipe: Recipe, report: Report) -> Identity:
    """Build a decoy, in place of an older one of that name; ImageError or PodmanError."""
    predecessor = await image_id(engine, recipe.tag)
    if recipe.base == BOOTSTRAP:
        await bootstrap(engine, recipe, report)
    else:
        await derive(engine, recipe, report)
    report(MAPPING.stage, MAPPING.fraction)
    await copy_for_mapping(engine, recipe.tag)
    if predecessor not in (None, await image_id(engine, recipe.tag)):
        await remove(engine, str(predecessor))
    report(DONE.stage, DONE.fraction)
    return recipe.identity


async def ensure(
    engine: Engine, tag: str, report: Report, *, hostname: str | None = None
) -> Identity | None:
    """Build the decoy if podman has none whose init is ours, and return who it is.

    None stands for an image that was made elsewhere. Only the default name is built: any
    other one was chosen by the operator, so its absence or its age is an ImageError.
    """
    if await exists(engine, tag):
        document = await engine.json("GET", f"/images/{tag}/json")
        if label_of(document, guest_init.LABEL) == guest_init.version():
            return Identity.from_label(label_of(document))
        if tag != DEFAULT_TAG:
            raise ImageError(
                f"the image {tag} has no init of this version of Hermes: "
                f"run hermes image build --from {tag} --tag {tag}"
            )
        report("building anew: the decoy is of another version of Hermes", None)
    elif tag != DEFAULT_TAG:
        raise ImageError(
            f"podman has no image {tag}: pull or build it (hermes image build --tag {tag}), "
            "or unset HERMES_SANDBOX__IMAGE"
        )
    return await build(engine, Recipe.fresh(tag, hostname=hostname), report)


async def copy_for_mapping(engine: Engine, tag: str) -> None:
    """Let podman make the copy that the first sandbox would have to wait for."""
    document = {"image": tag, "command": ["/sbin/init"], "netns": {"nsmode": "none"}}
    document |= id_mapping(await read_ids(engine))
    path = "/containers/create"
    made = await engine.json("POST", path, document=document, seconds=_COPY_SECONDS, settle=True)
    await engine.request("DELETE", f"/containers/{made['Id']}", query={"force": "true"})


async def identity_of(engine: Engine, tag: str) -> Identity | None:
    """Return who a decoy is; None for an image that Hermes did not build."""
    try:
        document = await engine.json("GET", f"/images/{tag}/json")
    except PodmanNotFoundError as error:
        raise ImageError(f"podman has no image {tag}: run hermes image build") from error
    return Identity.from_label(label_of(document))


async def image_id(engine: Engine, tag: str) -> str | None:
    """Return the image's ID; None where podman has none of that name."""
    try:
        document = await engine.json("GET", f"/images/{tag}/json")
    except PodmanNotFoundError:
        return None
    return str(document["Id"])


async def remove(engine: Engine, image: str) -> None:
    """Delete an image that has lost its name; one that sandboxes still use stays."""
    with contextlib.suppress(PodmanError):
        await engine.request("DELETE", f"/images/{image}")
