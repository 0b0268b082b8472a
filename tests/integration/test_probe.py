"""A sandbox is what its specification says."""

import json
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from hermes.sandbox import workshop
from hermes.sandbox.compiled import filter_path, read_filter
from hermes.sandbox.probe import probe
from hermes.sandbox.process import is_filtered
from hermes.sandbox.spec import FILTER_ANNOTATION
from hermes.settings import SandboxSettings
from tests.integration.cell import Altered, altered
from tests.integration.running import Start, wait_for

CAPABILITIES = [f"CAP_{name}" for name in SandboxSettings().capabilities]


async def claims(box: Altered) -> set[str]:
    """Probe it, and name the claims that do not hold and are no limits."""

    async def run(command: str) -> str:
        return await workshop._run(box, command)

    found = await probe(run, box.pid, SandboxSettings())
    return {finding.claim for finding in found if not finding.is_limit}


def inspected(names: list[str]) -> list[dict[str, Any]]:
    """Ask podman for its documents of containers."""
    command = ["podman", "inspect", *names]
    asked = subprocess.run(command, check=True, capture_output=True, timeout=60)
    documents: list[dict[str, Any]] = json.loads(asked.stdout)
    return documents


async def test_a_sandbox_as_specified_bears_out_every_claim(image: str, tmp_path: Path) -> None:
    """Nothing is found in it but limits that this machine may not enforce."""
    async with altered(image, tmp_path, {}) as box:
        assert await claims(box) == set()


async def test_a_filter_compiled_before_refuses_what_the_profile_does(
    image: str, tmp_path: Path
) -> None:
    """A sandbox that is given it has the same one, byte for byte, and bears out every claim."""
    async with altered(image, tmp_path, {}) as box:
        assert box.filter_path is not None
        compiled = read_filter(box.filter_path)
    assert compiled
    annotation = {FILTER_ANNOTATION: b64encode(compiled).decode()}
    async with altered(image, tmp_path, {"annotations": annotation}) as box:
        assert await claims(box) == set()
        assert box.filter_path is not None
        assert read_filter(box.filter_path) == compiled
        assert is_filtered(box.pid)


def test_the_profile_is_compiled_once(start: Start) -> None:
    """Every sandbox that a visitor may get is given the filter that crun made for the first."""
    hermes = start(POOL__SIZE="2")
    wait_for(lambda: hermes.pool()["warm"] == 2, 30.0)
    for container in inspected(hermes.containers()):
        kept = read_filter(filter_path(container))
        assert kept
        assert b64decode(container["Config"]["Annotations"][FILTER_ANNOTATION]) == kept


@pytest.mark.parametrize(
    ("fields", "missed"),
    [
        ({"no_new_privileges": False}, {"NoNewPrivs"}),
        ({"cap_add": [*CAPABILITIES, "CAP_NET_RAW"]}, {"CapPrm", "CapEff", "CapBnd"}),
        ({"seccomp_profile_path": "unconfined"}, {"Seccomp", "new user namespace"}),
        ({"seccomp_profile_path": ""}, {"new user namespace"}),
        ({"userns": {}, "idmappings": None}, {"uid_map", "gid_map"}),
        ({"mounts": [], "unsetenv": []}, {"marks of a container"}),
    ],
)
async def test_what_the_specification_lacks_is_found(
    image: str, tmp_path: Path, fields: dict[str, object], missed: set[str]
) -> None:
    """Each guard that is taken away is missed by name."""
    async with altered(image, tmp_path, fields) as box:
        assert await claims(box) == missed
