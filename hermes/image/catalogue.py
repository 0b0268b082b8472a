"""The decoys that podman has."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hermes.image.identity import LABEL, Identity
from hermes.sandbox.engine import Engine


@dataclass(frozen=True)
class DecoyImage:
    """One name of one decoy."""

    name: str
    id: str
    hostname: str
    created: datetime
    size: int
    """Bytes, all layers."""


async def decoys(engine: Engine) -> list[DecoyImage]:
    """Return the decoys that were built here, the newest first."""
    filters = json.dumps({"label": [LABEL]})
    documents = await engine.json("GET", "/images/json", query={"filters": filters})
    found = [image for document in documents or [] for image in read(document)]
    return sorted(found, key=lambda image: image.created, reverse=True)


def read(document: dict[str, Any]) -> Iterator[DecoyImage]:
    """Read one entry of podman's list: an image may have several names, or none."""
    who = Identity.from_label(label_of(document))
    for name in document.get("RepoTags") or ["<none>"]:
        yield DecoyImage(
            name=name,
            id=str(document["Id"]).removeprefix("sha256:")[:12],
            hostname=who.hostname if who else "",
            created=datetime.fromtimestamp(int(document["Created"]), UTC),
            size=int(document["Size"]),
        )


def label_of(document: dict[str, Any], name: str = LABEL) -> str:
    """Return the value of one of our labels, or nothing."""
    return str((document.get("Labels") or {}).get(name, ""))
