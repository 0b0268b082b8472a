"""The compiled seccomp profile: where it is found, and what is taken for one."""

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from hermes.sandbox.compiled import filter_path, read_filter
from hermes.sandbox.process import is_filtered
from hermes.sandbox.spec import FILTER_ANNOTATION
from tests.unit.test_spec import HOST, spec


def test_it_lies_beside_podmans_own_states() -> None:
    """Both keep what they know in the user's runtime directory, by the container's id."""
    pid_file = "/run/user/7/containers/overlay-containers/0a1b/userdata/conmon.pid"
    found = filter_path({"ConmonPidFile": pid_file, "Id": "0a1b"})
    assert found == Path("/run/user/7/crun/0a1b/seccomp.bpf")


@pytest.mark.parametrize(
    ("kept", "taken"),
    [(b"", 0), (bytes(7), 0), (bytes(16), 16), (bytes(8 * 4096), 8 * 4096), (bytes(8 * 4097), 0)],
)
def test_only_what_may_be_a_filter_is_taken(tmp_path: Path, kept: bytes, taken: int) -> None:
    """It has whole instructions, and no more than the kernel takes."""
    path = tmp_path / "seccomp.bpf"
    path.write_bytes(kept)
    assert len(read_filter(path)) == taken


def test_a_filter_that_is_not_kept_is_none(tmp_path: Path) -> None:
    """Another runtime leaves no file."""
    assert read_filter(tmp_path / "seccomp.bpf") == b""


def test_a_sandbox_is_given_the_filter_beside_the_profile() -> None:
    """A runtime that does not know the annotation still has the profile."""
    document = spec(replace(HOST, seccomp_filter=bytes(8)))
    assert b64decode(document["annotations"][FILTER_ANNOTATION]) == bytes(8)
    assert document["seccomp_profile_path"] == "/seccomp.json"


def test_an_empty_filter_is_never_given() -> None:
    """It would refuse nothing."""
    assert "annotations" not in spec()


def test_a_process_that_has_ended_has_no_filter() -> None:
    """A sandbox is not taken for one that is shut in when nothing is there."""
    assert not is_filtered(2**22 + 1)
