"""The document that a sandbox is made from, and the profile it names."""

import json
from pathlib import Path
from typing import Any

import pytest

from hermes.errors import HostError
from hermes.resources import seccomp_profile
from hermes.sandbox.host import sub_ids
from hermes.sandbox.spec import Host, id_mapping, mounts, r_limits, sandbox_spec
from hermes.settings import SandboxSettings

HOST = Host(Path("/seccomp.json"), 65536, 524288)


def spec(host: Host | None = HOST, **settings: Any) -> dict[str, Any]:
    """Describe a sandbox of the default settings but for those given."""
    return sandbox_spec(
        SandboxSettings(**settings),
        image="0123",
        name="n",
        instance="i",
        hostname="h",
        timeout_seconds=60,
        host=host,
    )


def profile() -> dict[str, Any]:
    """Read the packaged profile."""
    document: dict[str, Any] = json.loads(seccomp_profile().read_text())
    return document


def test_root_inside_is_a_sub_id() -> None:
    """The first id inside is the first sub-id, never the service's user; the profile is ours."""
    assert spec()["idmappings"] == id_mapping(65536)["idmappings"]
    assert spec()["idmappings"]["UIDMap"] == [{"container_id": 0, "host_id": 1, "size": 65536}]
    assert spec()["userns"] == {"nsmode": "private"}
    assert spec()["seccomp_profile_path"] == "/seccomp.json"


def test_the_first_process_gets_nothing_that_names_a_container() -> None:
    """It has its input, no terminal, and an environment of a path and a terminal's kind."""
    document = spec()
    assert (document["command"], document["stdin"], document["terminal"]) == (
        ["/sbin/init"],
        True,
        False,
    )
    assert set(document["env"]) == {"PATH", "TERM"}
    assert "container" in document["unsetenv"]


def test_open_files_never_exceed_what_podman_may_give() -> None:
    """Debian's limits, or the service's own hard limit where that is lower."""
    limits = {limit["type"]: limit for limit in r_limits(SandboxSettings(disk=5 << 20), 1 << 30)}
    assert limits["nofile"] == {"type": "nofile", "soft": 1024, "hard": 1 << 20}
    assert limits["fsize"] == {"type": "fsize", "soft": 5 << 20, "hard": 5 << 20}
    assert limits["core"]["hard"] == 0
    (low,) = (one for one in r_limits(SandboxSettings(), 512) if one["type"] == "nofile")
    assert low == {"type": "nofile", "soft": 512, "hard": 512}


def test_every_writable_mount_is_bounded() -> None:
    """Each tmpfs has a size, and knows no devices and no set-user-id programs."""
    for mount in mounts(SandboxSettings()):
        assert any(option.startswith("size=") for option in mount["options"])
        assert {"nosuid", "nodev"} <= set(mount["options"])


def test_the_host_name_file_is_the_images_own_unless_another_is_set() -> None:
    """A file that podman mounts would show its path."""
    assert spec()["use_image_hostname"] is True
    assert spec(hostname="other")["use_image_hostname"] is False


@pytest.mark.parametrize("size", [65536, 65535])
def test_sub_ids_are_those_beside_the_users_own(size: int) -> None:
    """The smaller of both kinds counts."""
    own, sub = {"size": 1}, {"size": size}
    assert sub_ids({"uidmap": [own, {"size": 1 << 20}], "gidmap": [own, sub]}) == size


def test_too_few_sub_ids_are_refused_with_the_fix() -> None:
    """Without them an image's files could not be shifted."""
    few = [{"size": 1}, {"size": 1000}]
    with pytest.raises(HostError, match=r"has 1000 sub-ids.*--add-subuids"):
        sub_ids({"uidmap": few, "gidmap": few})


def test_unknown_system_calls_are_those_of_a_later_kernel() -> None:
    """What the profile does not name does not exist: libraries then fall back."""
    assert (profile()["defaultAction"], profile()["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_every_entry_of_an_architecture_is_filtered() -> None:
    """The 32-bit entries are under the same rules as the native one; one not named is deadly."""
    subs = {one["architecture"]: one["subArchitectures"] for one in profile()["archMap"]}
    assert subs["SCMP_ARCH_X86_64"] == ["SCMP_ARCH_X86"]
    assert subs["SCMP_ARCH_AARCH64"] == ["SCMP_ARCH_ARM"]


def test_no_system_call_is_allowed_and_refused() -> None:
    """Each name stands in one list, or in rules that look at arguments."""
    flat = [name for rule in profile()["syscalls"] if "args" not in rule for name in rule["names"]]
    closer = {name for rule in profile()["syscalls"] if "args" in rule for name in rule["names"]}
    assert len(flat) == len(set(flat))
    assert closer == {"clone", "prlimit64", "socket", "socketpair", "ptrace", "personality"}
    assert not closer & set(flat)


def test_socketcall_is_refused_before_socket_is_allowed() -> None:
    """Libseccomp turns rules for socket into rules for socketcall that see no address family."""
    rules = profile()["syscalls"]
    place = next(at for at, rule in enumerate(rules) if "socketcall" in rule["names"])
    first = next(at for at, rule in enumerate(rules) if "socket" in rule["names"])
    assert place < first
    # A rule that says the same as the default would be dropped, and socketcall allowed.
    assert rules[place]["errnoRet"] != profile()["defaultErrnoRet"]
