"""A sandbox is what its specification says."""

from pathlib import Path

import pytest

from hermes.sandbox import workshop
from hermes.sandbox.probe import probe
from hermes.settings import SandboxSettings
from tests.integration.cell import Altered, altered

CAPABILITIES = [f"CAP_{name}" for name in SandboxSettings().capabilities]


async def claims(box: Altered) -> set[str]:
    """Probe it, and name the claims that do not hold and are no limits."""

    async def run(command: str) -> str:
        return await workshop._run(box, command)

    found = await probe(run, box.pid, SandboxSettings())
    return {finding.claim for finding in found if not finding.is_limit}


async def test_a_sandbox_as_specified_bears_out_every_claim(image: str, tmp_path: Path) -> None:
    """Nothing is found in it but limits that this machine may not enforce."""
    async with altered(image, tmp_path, {}) as box:
        assert await claims(box) == set()


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
