"""What the host offers to sandboxes, asked of podman's service."""

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hermes.errors import HostError
from hermes.sandbox.engine import Engine
from hermes.sandbox.spec import Host

# Debian's nobody is 65534, and an image may give files to any id below.
FEWEST_IDS: Final = 65535


async def read_host(engine: Engine, profile: Path) -> Host:
    """Ask podman for the ids of its namespace; raises HostError when they are too few."""
    # A service that was started elsewhere is taken to have the same limit on open files.
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Host(profile, await read_ids(engine), files)


async def read_ids(engine: Engine) -> int:
    """Ask podman how many ids a sandbox can have; raises HostError when they are too few."""
    info = await engine.json("GET", "/info")
    return sub_ids(info["host"]["idMappings"])


def sub_ids(mappings: dict[str, Any]) -> int:
    """Count the ids of both kinds beside the user's own; raises HostError."""
    count = min(_ids(mappings[kind]) for kind in ("uidmap", "gidmap")) - 1
    if count < FEWEST_IDS:
        raise HostError(
            f"podman's namespace has {count} sub-ids, and a sandbox needs {FEWEST_IDS}; "
            "run as root: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER, "
            "then as the user: podman system migrate"
        )
    return min(count, 1 << 16)


def _ids(ranges: Sequence[dict[str, int]] | None) -> int:
    return sum(one["size"] for one in ranges or ())
