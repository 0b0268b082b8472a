"""What a sandbox says of itself, judged."""

import os
from pathlib import Path

import pytest

from hermes.sandbox.probe import COMMAND, Finding, capability_mask, covered, judge, probe, sections
from hermes.settings import SandboxSettings

LO = frozenset({"lo"})
SOUND = """=== status
Name:\tcat
CapInh:\t0000000000000000
CapPrm:\t00000000000000fb
CapEff:\t00000000000000fb
CapBnd:\t00000000000000fb
NoNewPrivs:\t1
Seccomp:\t2
=== net/dev
Inter-|   Receive  |  Transmit
 face |bytes packets|bytes packets
    lo:       0       0    0
=== net/route
Iface\tDestination\tGateway
=== net/ipv6_route
00000000000000000000000000000001 80 0 00 0 0 00000000 00000002 00000000 80200001       lo
=== environment
PATH=/bin
TERM=linux
=== marks
=== namespace
"""
KEPT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")


def findings(text: str, interfaces: frozenset[str] = LO) -> set[tuple[str, str, str]]:
    """Judge what a sandbox with the default capabilities printed."""
    judged = judge(sections(text), KEPT, interfaces)
    return {(one.claim, one.expected, one.found) for one in judged}


def test_a_sound_sandbox_gives_no_finding() -> None:
    """Everything as specified is nothing to tell."""
    assert findings(SOUND) == set()


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("NoNewPrivs:\t1", "NoNewPrivs:\t0", ("NoNewPrivs", "1", "0")),
        ("Seccomp:\t2", "Seccomp:\t0", ("Seccomp", "2", "0")),
        (
            "CapBnd:\t00000000000000fb",
            "CapBnd:\t00000000a80425fb",
            ("CapBnd", "00000000000000fb", "00000000a80425fb"),
        ),
        ("    lo:", "    lo: 0 0\n  tap0:", ("interfaces", "lo", "lo, tap0")),
        ("Gateway\n", "Gateway\neth0\t00000000\t0102A8C0\n", ("routes", "none", "eth0")),
        ("80200001       lo", "80200001       tap0", ("routes", "none", "tap0")),
        ("TERM=", "container=podman\n", ("marks of a container", "none", "container=podman")),
        (
            "=== marks\n",
            "=== marks\n/run/.containerenv\n",
            ("marks of a container", "none", "/run/.containerenv"),
        ),
        ("=== namespace\n", "=== namespace\nmade\n", ("new user namespace", "none", "made")),
        ("=== status", "=== other", ("Seccomp", "2", "nothing")),
    ],
)
def test_what_does_not_hold_is_named(old: str, new: str, finding: tuple[str, str, str]) -> None:
    """A finding says what was claimed, what was expected and what there is."""
    assert old in SOUND
    assert finding in findings(SOUND.replace(old, new))


def test_an_interface_that_belongs_there_is_no_finding() -> None:
    """Which interfaces a sandbox has is for its maker to say."""
    text = SOUND.replace("    lo:", "    lo: 0 0\n  eth0:")
    assert findings(text, LO | {"eth0"}) == set()


def test_silence_is_no_proof() -> None:
    """A sandbox that prints nothing bears out none of the claims that need a word."""
    claims = {claim for claim, _, _ in findings("")}
    assert {"NoNewPrivs", "Seccomp", "CapEff", "CapBnd", "interfaces"} <= claims


@pytest.mark.parametrize(
    ("id_map", "is_covered"),
    [
        ("0 100000 65536\n", False),
        ("0 1000 1\n1 100000 65536\n", True),
        ("0 900 200\n", True),
        ("0 800 200\n", False),
    ],
)
def test_a_map_that_reaches_the_service_user_is_recognized(id_map: str, is_covered: bool) -> None:
    """The first id of a range counts, the one after its end does not."""
    assert covered(id_map, 1000) is is_covered


@pytest.mark.parametrize(("id_map", "is_covered"), [("0 0 65536", False), ("0 990 1", True)])
def test_a_map_is_read_from_inside_another_namespace(id_map: str, is_covered: bool) -> None:
    """A service in a container of its own has its user's id in the midst of the sub-ids."""
    assert covered(id_map, 990, "0 1 990\n990 0 1\n991 991 64546\n") is is_covered


def test_capabilities_are_written_as_the_kernel_writes_them() -> None:
    """The numbers are those of linux/capability.h."""
    assert capability_mask(KEPT) == "00000000000000fb"
    assert capability_mask(["CHECKPOINT_RESTORE", "NET_RAW"]) == f"{1 << 40 | 1 << 13:016x}"
    assert capability_mask([]) == "0" * 16


async def test_limits_are_findings_of_their_own_kind() -> None:
    """What only the host fails to enforce can be told from what opens the sandbox."""

    async def run(command: str) -> str:
        assert command == COMMAND
        return SOUND

    found = await probe(run, os.getpid(), SandboxSettings(memory=77 << 20))
    assert Finding("memory.max", str(77 << 20), _own("memory.max"), is_limit=True) in found
    # This process belongs to the user himself, as a sandbox of podman's own mapping does.
    assert [one.claim for one in found if not one.is_limit] == ["uid_map", "gid_map"]


def _own(name: str) -> str:
    line = next(
        (one for one in Path("/proc/self/cgroup").read_text().splitlines() if one[:3] == "0::"),
        "0::/",
    )
    group = Path("/sys/fs/cgroup", line[3:].lstrip("/"))
    files = [place / name for place in (group, group.parent)]
    return next((file.read_text().strip() for file in files if file.exists()), "nothing")
