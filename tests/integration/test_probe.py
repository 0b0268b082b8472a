"""A sandbox is what its specification says."""

import asyncio
from pathlib import Path

import pytest

from hermes.sandbox.probe import probe
from tests.integration.cell import Cell, cell


def claims(one: Cell) -> set[str]:
    """Probe it, and name the claims that do not hold and are no limits."""

    async def run(command: str) -> str:
        return one.run(command)

    found = asyncio.run(probe(run, one.pid, one.settings))
    return {finding.claim for finding in found if not finding.is_limit}


def test_a_sandbox_as_specified_bears_out_every_claim(image: str, tmp_path: Path) -> None:
    """Nothing is found in it but limits that this machine may not enforce."""
    with cell(image, tmp_path, None) as one:
        assert claims(one) == set()


@pytest.mark.parametrize(
    ("fields", "missed"),
    [
        ({"no_new_privileges": False}, {"NoNewPrivs"}),
        ({"cap_add": ["CAP_NET_RAW"]}, {"CapPrm", "CapEff", "CapBnd"}),
        ({"seccomp_profile_path": "unconfined"}, {"Seccomp", "new user namespace"}),
        ({"seccomp_profile_path": ""}, {"new user namespace"}),
        ({"userns": {}, "idmappings": None}, {"uid_map", "gid_map"}),
        ({"mounts": [], "unsetenv": []}, {"marks of a container"}),
    ],
)
def test_what_the_specification_lacks_is_found(
    image: str, tmp_path: Path, fields: dict[str, object], missed: set[str]
) -> None:
    """Each guard that is taken away is missed by name."""
    with cell(image, tmp_path, None, **fields) as one:
        assert claims(one) == missed
