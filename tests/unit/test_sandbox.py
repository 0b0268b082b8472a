"""The parts of a sandbox that need no podman."""

import contextlib
import socket
from pathlib import Path

import pytest

from hermes.doctor import check_reach, check_subids
from hermes.errors import HermesError, HostError, LeaseError, SettingsError, first_error
from hermes.sandbox.api_service import accepts
from hermes.sandbox.decoy import _banner
from hermes.sandbox.limits import differences, differing
from hermes.sandbox.spec import resource_limits, sandbox_spec
from hermes.settings import SandboxSettings


def test_a_service_is_there_when_it_listens(tmp_path: Path) -> None:
    """A socket that has only been made would refuse the first request."""
    path = tmp_path / "s"
    assert not accepts(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not accepts(path)
        server.listen()
        assert accepts(path)


def test_the_spec_says_all_that_isolation_rests_on() -> None:
    """No network, no capability but the configured, limits, a deadline, no new privileges."""
    spec = sandbox_spec(
        SandboxSettings(memory=64 << 20, cpus=0.25, pids=50, capabilities=("CHOWN",)),
        image="0123",
        name="n",
        instance="i",
        hostname="h",
        timeout_seconds=60,
    )
    assert spec["image"] == "0123"
    assert spec["netns"] == {"nsmode": "none"}
    assert (spec["cap_drop"], spec["cap_add"]) == (["all"], ["CAP_CHOWN"])
    assert spec["no_new_privileges"] is True
    assert spec["pidns"] == spec["utsns"] == {"nsmode": "private"}
    assert spec["ipcns"] == {"nsmode": "none"}
    assert spec["resource_limits"] == {
        "memory": {"limit": 64 << 20, "swap": 64 << 20},
        "cpu": {"quota": 25000, "period": 100000},
        "pids": {"limit": 50},
    }
    assert (spec["timeout"], spec["log_configuration"]) == (60, {"driver": "none"})
    assert "privileged" not in spec


def test_no_setting_names_a_network() -> None:
    """There is no way to give a sandbox a route."""
    assert not [name for name in SandboxSettings.model_fields if "net" in name]


@pytest.mark.parametrize(
    ("version", "banner"),
    [
        ("1:9.2p1-2+deb12u6", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u6"),
        ("1:9.6p1-3ubuntu13.5", "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5"),
        ("strange", None),
        ("1:9.2p1-2\u00e9", None),
    ],
)
def test_the_banner_is_that_of_the_decoys_package(version: str, banner: str | None) -> None:
    """Dpkg's version of openssh-server makes Debian's identification line."""
    status = f"Package: bash\nVersion: 5\n\nPackage: openssh-server\nVersion: {version}\n"
    assert _banner(status) == banner
    assert _banner("") is None


def test_limits_that_no_cgroup_has_are_named() -> None:
    """For a process without them, every claimed limit is unenforced."""
    limits = resource_limits(SandboxSettings(pids=77, cpus=0.33, memory=77 << 20))
    names = ["cpu.max", "memory.max", "pids.max"]
    for pid in (1, 2**22 + 1):
        assert sorted(name for name, _, _ in differences(pid, limits)) == names


@pytest.mark.parametrize(("swap", "named"), [("0", []), ("max", ["memory.swap.max"]), (None, [])])
def test_swap_must_be_limited_where_the_kernel_counts_it(
    tmp_path: Path, swap: str | None, named: list[str]
) -> None:
    """Memory that may go on in swap is not limited; without swap accounting nothing is claimed."""
    inner = tmp_path / "container"
    inner.mkdir()
    outer = {"cpu.max": "33000 100000", "memory.max": str(77 << 20), "pids.max": "77"}
    for name, text in outer.items():
        (tmp_path / name).write_text(f"{text}\n")
    if swap is not None:
        (tmp_path / "memory.swap.max").write_text(f"{swap}\n")
        (inner / "memory.swap.max").write_text("max\n")
    limits = resource_limits(SandboxSettings(pids=77, cpus=0.33, memory=77 << 20))
    assert differing((inner, tmp_path), limits) == named


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        ("hermes:100000:65536\n", True),
        ("other:1:1\n1234:100000:65536\n", True),
        ("hermes:100000:1000\n", False),
        ("hermes:100000:32768\nhermes:200000:32768\n", False),
        ("other:100000:65536\n", False),
        ("hermes:100000:many\n", False),
        ("hermes\n", False),
        ("", False),
        (None, False),
    ],
)
def test_a_user_needs_one_whole_range_of_sub_ids(
    tmp_path: Path, text: str | None, enough: bool
) -> None:
    """By name or by number, and big enough for every user of a system; the fix is told."""
    file = tmp_path / "subuid"
    if text is not None:
        file.write_text(text)
    with contextlib.nullcontext() if enough else pytest.raises(HostError, match="--add-subuids"):
        check_subids("hermes", 1234, [file])


@pytest.mark.parametrize(
    ("hosts", "enforced", "required", "refused"),
    [
        (("127.0.0.1", "::1"), False, True, False),
        (("127.0.0.1", "0.0.0.0"), False, True, True),  # noqa: S104 - what is refused
        (("::",), True, True, False),
        (("192.0.2.1",), False, False, False),
        (("127.example.com",), False, True, True),
        (("localhost.example",), False, True, True),
        (("::1234:5678",), False, True, True),
    ],
)
def test_reach_follows_limits(
    hosts: tuple[str, ...], enforced: bool, required: bool, refused: bool
) -> None:
    """Beyond loopback only with limits, or when the operator insists."""
    try:
        check_reach(hosts, limits_enforced=enforced, require_limits=required)
    except HostError:
        assert refused
    else:
        assert not refused


def test_the_first_error_of_a_group_is_the_one_to_tell() -> None:
    """Task groups wrap errors; the operator sees the sentence within."""
    inner = LeaseError("none")
    group = BaseExceptionGroup("g", [ValueError(), ExceptionGroup("h", [inner])])
    assert first_error(group) is inner
    assert first_error(SettingsError("x")) is not None
    assert first_error(ValueError()) is None
    assert issubclass(LeaseError, HermesError)
