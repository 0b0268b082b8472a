"""What a service will not start without, and where it puts what podman reads."""

import os
from pathlib import Path

import pytest

from hermes import doctor
from hermes.errors import HostError
from hermes.resources import place_seccomp_profile, seccomp_profile


def test_sub_ids_are_asked_of_this_host_for_a_podman_of_our_own_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a container there is no /etc/subuid, and podman's own service says what it has."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setenv("LOGNAME", "nobody-of-this-name")
    with pytest.raises(HostError, match="has no range of 65536 ids"):
        doctor.check_host(own_podman=True)
    doctor.check_host(own_podman=False)


def test_the_seccomp_profile_is_copied_to_where_podman_looks(tmp_path: Path) -> None:
    """The copy is the profile of this version, also in place of an older one."""
    (tmp_path / "seccomp.json").write_text("of an older version")
    placed = place_seccomp_profile(tmp_path)
    assert placed.parent == tmp_path
    assert placed.read_bytes() == seccomp_profile().read_bytes()
    assert list(tmp_path.iterdir()) == [placed]
