"""What the doctor makes of what it finds."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes.doctor import host, kernel_limits, podman_info, versions
from hermes.doctor.cgroups import cgroups
from hermes.doctor.check import Check, Status
from hermes.doctor.persona import Persona, checks
from hermes.doctor.podman_info import PodmanInfo
from hermes.doctor.port import holders, port
from hermes.errors import PodmanError

UID = 1234
SERVICE = f"sys/fs/cgroup/user.slice/user-{UID}.slice/user@{UID}.service/cgroup.controllers"
BANNER = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"
PERSONA: dict[str, Any] = {
    "banner": BANNER,
    "os_release": 'NAME="Debian"\nID=debian\nVERSION_ID="12"\n',
    "ssh": "\x7fELF OpenSSH_9.2p1 Debian-2+deb12u7 ...",
    "hostname": "web-01",
    "labelled_hostname": "web-01",
    "has_init": True,
}


def tree(root: Path, files: dict[str, str]) -> Path:
    """Lay out a file system."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("judge", "text", "status"),
    [
        (versions.kernel, "6.18.44-fc-v782", "ok"),
        (versions.kernel, "5.10.0-30-amd64", "warn"),
        (versions.crun, "crun version 1.27\ncommit: f8a0", "ok"),
        (versions.crun, "crun version 1.8.1\ncommit: f8a0", "warn"),
        (versions.crun, "runc version 1.1.5", "warn"),
        (versions.conmon, "conmon version 2.1.6, commit: unknown", "ok"),
        (versions.conmon, "conmon version 2.0.25", "warn"),
        (versions.asyncssh, "2.24.1", "ok"),
        (versions.asyncssh, "2.23.0", "fail"),
    ],
)
def test_versions_are_compared_by_their_numbers(
    judge: Callable[[str], Check], text: str, status: str
) -> None:
    """1.27 is later than 1.8.1, and what is too old has a fix."""
    check = judge(text)
    assert check.status == status
    assert bool(check.fix) == (status != "ok")


@pytest.mark.parametrize(
    ("version", "own_image", "status"),
    [
        ("4.3.1", True, "ok"),
        ("4.3.1", False, "warn"),
        ("5.7.1", False, "ok"),
        ("3.4.4", True, "fail"),
        ("", True, "fail"),
    ],
)
def test_an_old_podman_is_for_own_images_only(version: str, own_image: bool, status: str) -> None:
    """Images of others need a podman that reads them safely."""
    assert versions.podman(version, own_image=own_image).status == status


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"sys/fs/cgroup/unified/cgroup.controllers": ""}, "hybrid"),
        ({"sys/fs/cgroup/cpu/cpu.shares": ""}, "version 1"),
        ({}, "not mounted"),
        ({"sys/fs/cgroup/cgroup.controllers": "cpu memory pids", SERVICE: "memory pids"}, ": cpu"),
        (
            {
                "sys/fs/cgroup/cgroup.controllers": "cpu memory pids",
                "sys/fs/cgroup/own/cgroup.controllers": "cpu",
                "proc/self/cgroup": "1:cpu:/other\n0::/own\n",
            },
            ": memory, pids",
        ),
    ],
)
def test_missing_controllers_are_named(tmp_path: Path, files: dict[str, str], words: str) -> None:
    """Of a hybrid machine, and of one that delegates too little, it says what is wrong."""
    check = cgroups(UID, tree(tmp_path, files))
    assert (check.status, bool(check.fix)) == ("warn", True)
    assert words in check.found


def test_a_machine_that_delegates_is_right(tmp_path: Path) -> None:
    """The controllers count that the user's own service has."""
    files = {"sys/fs/cgroup/cgroup.controllers": "cpu io memory pids", SERVICE: "cpu memory pids"}
    assert cgroups(UID, tree(tmp_path, files)).status == "ok"


def test_the_kernels_limits_are_held_against_the_largest_pool(tmp_path: Path) -> None:
    """What suffices for twenty sandboxes is too little for two hundred; 0 is no limit of pipes."""
    root = tree(
        tmp_path,
        {
            "fs/inotify/max_user_instances": "128\n",
            "kernel/keys/maxkeys": "200\n",
            "fs/pipe-user-pages-soft": "16384\n",
        },
    )
    keyrings = kernel_limits.keyrings
    for most, status in ((20, "ok"), (200, "warn")):
        assert kernel_limits.inotify(most, root).status == status
        assert keyrings(most, own_service=False, root=root).status == status
        assert kernel_limits.pipes(most, root).status == status
        assert keyrings(most, own_service=True, root=root).status == "ok"
    assert "fs.inotify.max_user_instances=210" in kernel_limits.inotify(200, root).fix
    (root / "fs/pipe-user-pages-soft").write_text("0\n")
    assert kernel_limits.pipes(200, root).status == "ok"


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({}, "ok"),
        ({"run/systemd/system/x": ""}, "warn"),
        ({"run/systemd/system/x": "", "var/lib/systemd/linger/eve": ""}, "ok"),
    ],
)
def test_lingering_matters_where_systemd_runs(
    tmp_path: Path, files: dict[str, str], status: str
) -> None:
    """Only systemd ends what a user leaves behind."""
    check = host.lingering("eve", tree(tmp_path, files))
    assert (check.status, "enable-linger eve" in check.fix) == (status, status == "warn")


def test_listeners_beside_the_network_are_named() -> None:
    """A connection is no listener."""
    lines = ["v_str LISTEN 0 128 *:1024 *:*", "v_str ESTAB 0 0 3:99 2:5"]
    check = host.vsock_listeners(lines)
    assert check.status == "warn"
    assert "*:1024" in check.found
    assert "3:99" not in check.found
    assert host.vsock_listeners(lines[1:]).status == "ok"


def info(**store: Any) -> PodmanInfo:
    """Podman's answer with this storage."""
    document = {
        "host": {
            "conmon": {"version": "conmon version 2.1.6"},
            "ociRuntime": {"version": "crun version 1.8.1"},
            "security": {"rootless": True},
        },
        "store": {"graphDriverName": "overlay", "graphRoot": "/g", "graphOptions": {}, **store},
        "version": {"Version": "4.3.1"},
    }
    return PodmanInfo.parse(json.dumps(document))


def test_storage_that_copies_images_is_a_failure() -> None:
    """Overlay is right, through FUSE it is slow, and vfs is of no use."""
    assert podman_info.storage(info()).status == "ok"
    by_fuse = info(
        graphOptions={"overlay.mount_program": {"Executable": "/usr/bin/fuse-overlayfs"}}
    )
    assert podman_info.storage(by_fuse).status == "warn"
    copying = podman_info.storage(info(graphDriverName="vfs", graphOptions=None))
    assert copying.status == "fail"
    assert "system reset" in copying.fix


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"host": 1, "store": {}, "version": {}}'])
def test_an_answer_that_is_not_podmans_is_an_error(text: str) -> None:
    """Nothing that podman prints ends in a traceback."""
    with pytest.raises(PodmanError):
        PodmanInfo.parse(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"banner": ""}, "no openssh-server is installed"),
        ({"banner": "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3"}, "OpenSSH_9.6p1 Ubuntu-3 is installed"),
        ({"os_release": "ID=debian\nVERSION_ID=13\n"}, "/etc/os-release says 13"),
        ({"os_release": "ID=alpine\n"}, "/etc/os-release says alpine"),
        ({"ssh": "OpenSSH_9.2p1 Debian-2+deb12u5"}, "ssh -V does not say"),
    ],
)
def test_a_persona_that_contradicts_itself_is_told(change: dict[str, Any], words: str) -> None:
    """Banner, package, release and ssh -V have to agree."""
    (told,) = [check for check in checks(Persona(**PERSONA | change), BANNER) if check.fix]
    assert (told.name, told.status) == ("decoy persona", "warn")
    assert words in told.found


def test_a_persona_of_one_story_is_right() -> None:
    """Nothing is found in a decoy as it is built."""
    assert {check.status for check in checks(Persona(**PERSONA), BANNER)} == {Status.OK}


@pytest.mark.parametrize(
    ("change", "name", "status"),
    [
        ({"has_init": False}, "decoy", "fail"),
        ({"labelled_hostname": None}, "decoy label", "warn"),
        ({"labelled_hostname": "db-02"}, "decoy label", "warn"),
    ],
)
def test_a_decoy_that_hermes_did_not_build_is_told(
    change: dict[str, Any], name: str, status: str
) -> None:
    """Without its first process no sandbox starts; without its label it is nobody."""
    (told,) = [check for check in checks(Persona(**PERSONA | change), BANNER) if check.fix]
    assert (told.name, told.status) == (name, status)


def test_who_listens_on_a_port_is_read_from_the_kernels_table() -> None:
    """Connections and other ports do not count."""
    row = "{}: 0100007F:{:04X} 00000000:0000 {} 00000000:00000000 00:00000000 0 {} 0 {} 1 0"
    lines = [
        "  sl  local_address rem_address   st tx_queue",
        row.format(0, 2222, "0A", 1001, 77),
        row.format(1, 2222, "01", 1001, 78),
        row.format(2, 2223, "0A", 1001, 79),
    ]
    assert list(holders(lines, 2222)) == [(1001, "77")]


def test_a_taken_port_names_the_program_that_has_it() -> None:
    """A port of ours is right, a port of another program is a failure."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        taken = port(["127.0.0.1"], number, [])
        assert (taken.status, "HERMES_SSH__PORT" in taken.fix) == ("fail", True)
        program = Path("/proc/self/comm").read_text().strip()
        assert f"taken by {program} of " in taken.found
        assert port(["127.0.0.1"], number, [f"127.0.0.1:{number}"]).status == "ok"
    assert port(["127.0.0.1"], number, []).status == "ok"
    assert port(["192.0.2.1"], number, []).status == "fail"


def test_space_is_that_of_the_nearest_directory(tmp_path: Path) -> None:
    """A directory that is not made yet has the space of its parent."""
    assert f"GiB free for {tmp_path / 'a/b'}" in host.space("evidence", tmp_path / "a/b").found


def test_missing_programs_are_named_with_their_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a machine without anything the fixes are commands of its package manager."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.compiler().status == "warn"
    assert "newuidmap and newgidmap" in host.id_mapping().found
    assert host.id_mapping().fix == "sudo apt install uidmap"
    (tmp_path / "dnf").touch(mode=0o755)
    assert host.id_mapping().fix == "sudo dnf install shadow-utils"
