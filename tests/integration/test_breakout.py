"""Whoever is inside tries to get out, and is refused as on an ordinary server."""

import errno
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.settings import SandboxSettings
from tests.integration.cell import ROOT, USER, Cell, compiled
from tests.integration.running import Hermes

NOT_PERMITTED = """
    unshare-user unshare-net unshare-mount unshare-rest
    clone-user clone-net clone-user-net clone-high-bits setns
    umount fsopen open-tree move-mount mount-setattr pivot-root chroot
    mount-tmpfs mount-proc mount-cgroup mount-bind remount-sys
    bpf io-uring userfaultfd keyctl add-key request-key
    init-module finit-module delete-module kexec reboot swapon acct fanotify open-by-handle
    ptrace-init ptrace-parent pidfd-getfd kcmp read-init-memory kernel-log vmsplice personality
    set-clock sethostname socket-raw socket-raw6 socket-packet
    add-link add-route lower-loopback mark-packets
    node-memory node-kmsg node-tun node-fuse node-disk
    file-capabilities take-capabilities raise-file-size raise-files raise-core
"""
NOT_PERMITTED_X86 = """
    iopl ioperm
    i386-unshare i386-clone-user i386-keyctl i386-mount i386-socketcall-vsock
"""
OTHERWISE = {
    "clone3": errno.ENOSYS,
    "starve-init": errno.ENOSYS,
    "perf": errno.EACCES,
    "setuid-unmapped": errno.EINVAL,
    "drop-no-new-privileges": errno.EINVAL,
    "drop-seccomp": errno.EINVAL,
    "socket-vsock": errno.EAFNOSUPPORT,
    "socket-alg": errno.EAFNOSUPPORT,
    "socket-xdp": errno.EAFNOSUPPORT,
    "socket-bluetooth": errno.EAFNOSUPPORT,
    "socket-can": errno.EAFNOSUPPORT,
    "socket-tipc": errno.EAFNOSUPPORT,
    "socket-key": errno.EAFNOSUPPORT,
    "socket-high-bits": errno.EAFNOSUPPORT,
    "socketpair-vsock": errno.EOPNOTSUPP,
    "socket-netfilter": errno.EPROTONOSUPPORT,
    "socket-xfrm": errno.EPROTONOSUPPORT,
    "socket-audit": errno.EPROTONOSUPPORT,
    "connect-out": errno.ENETUNREACH,
    "connect-out6": errno.ENETUNREACH,
    "connect-dns": errno.ENETUNREACH,
    "connect-metadata": errno.ENETUNREACH,
    "connect-loopback": errno.ECONNREFUSED,
    "signal-host": errno.ESRCH,
    "open-many": errno.EMFILE,
    "fill-tmpfs": errno.ENOSPC,
}
OTHERWISE_X86 = {"i386-socket-vsock": errno.EAFNOSUPPORT}
_X86 = platform.machine() == "x86_64"
# A kind of call that the profile does not know: it ends the program.
X32 = ("x32-unshare", "x32-socket-vsock") if _X86 else ()
REFUSALS = {
    **dict.fromkeys(NOT_PERMITTED.split(), errno.EPERM),
    **OTHERWISE,
    **(dict.fromkeys(NOT_PERMITTED_X86.split(), errno.EPERM) | OTHERWISE_X86 if _X86 else {}),
}

READ_ONLY = "Read-only file system"
NO_FILE = "No such file or directory"
DENIED = "Permission denied"
PRIVATE = ("environ", "maps", "smaps", "auxv", "io", "stack", "syscall", "pagemap")
# What a shell can try: the command, and the words of its refusal; a kernel may lack the file.
WORDS = [
    ("echo '|/tmp/x' >/proc/sys/kernel/core_pattern", [READ_ONLY]),
    ("echo /tmp/x >/proc/sys/kernel/modprobe", [READ_ONLY, NO_FILE, "nonexistent directory"]),
    ("echo 1 >/proc/sys/net/ipv4/ip_forward", [READ_ONLY]),
    ("echo b >/proc/sysrq-trigger", [READ_ONLY, NO_FILE, "nonexistent directory"]),
    ("echo /tmp/x >/sys/fs/cgroup/release_agent", [READ_ONLY]),
    ("mkdir /sys/fs/cgroup/x", [READ_ONLY]),
    ("echo max >/sys/fs/cgroup/memory.max", [READ_ONLY]),
    ("echo 1 >/sys/power/state", [READ_ONLY]),
    ("head -c1 /proc/kcore | grep .", [""]),
    ("cat /proc/kmsg", ["not permitted"]),
    ("ls /dev/mem /dev/kmsg /dev/sda /dev/vda /dev/fuse /dev/net/tun /dev/kvm", [NO_FILE]),
    ("ls -d /home/* /root/.local /var/lib/vps", [NO_FILE]),
    ("head -c1 /proc/1/mem", ["error"]),
    *((f"head -c1 /proc/1/{name} | grep .", [""]) for name in PRIVATE),
    ("readlink /proc/1/exe || readlink /proc/1/cwd || readlink /proc/1/root", [""]),
    ("readlink /proc/1/fd/0 || readlink /proc/1/fd/1 || readlink /proc/1/ns/pid", [""]),
    ("ls /run/podman /run/user /var/run/docker.sock /run/.containerenv /.dockerenv", [NO_FILE]),
    ("nslookup example.com", ["Network is unreachable", "timed out"]),
    ("ping -c1 -W1 192.0.2.1", ["not permitted", "are you root", "unreachable"]),
    ("dmesg", ["not permitted"]),
    ("chown 4000000 /tmp", ["Invalid argument"]),
    *((f"attempts {name}", ["Bad system call"]) for name in X32),
    ("env | grep -iE 'podman|container|hermes'", [""]),
    ("tr '\\0' '\\n' </proc/1/environ | grep -iE 'podman|container|hermes'", [""]),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled attempts."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc and a static libc: run scripts/test")
    return compiled(tmp_path_factory.mktemp("attempts"))


@pytest.fixture(scope="module")
def service(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hermes]:
    """A service that lets in root and an ordinary user."""
    directory = tmp_path_factory.mktemp("hermes")
    userdb = directory / "userdb.txt"
    userdb.write_text(f"{ROOT}:x:*\n{USER}:x:*\n")
    hermes = Hermes(directory, {"SANDBOX__IMAGE": image, "AUTH__USERDB": str(userdb)})
    hermes.start()
    yield hermes
    hermes.stop()


@pytest.fixture(scope="module")
def inside(service: Hermes, program: Path) -> Cell:
    """One sandbox for all attempts that leave nothing behind."""
    one = Cell(service, "127.0.0.2")
    one.put(program, "/bin/attempts")
    return one


@pytest.fixture(scope="module")
def neighbour(service: Hermes, program: Path) -> Cell:
    """Another visitor's sandbox, with an abstract socket and shared memory of a known name."""
    one = Cell(service, "127.0.0.3")
    one.put(program, "/bin/attempts")
    start = "setsid /bin/attempts neighbour </dev/null >/tmp/ready 2>&1 &"
    assert one.run(f"echo mine >/root/mine; {start} sleep 0.5; cat /tmp/ready") == "ready"
    return one


@pytest.fixture(scope="module")
def refusals(inside: Cell) -> dict[tuple[str, str], str]:
    """What the kernel answered to each attempt of each user."""
    commands = [f"/bin/attempts {attempt}" for attempt in REFUSALS]
    return {
        (user, attempt): said
        for user in (ROOT, USER)
        for attempt, said in zip(REFUSALS, inside.answers(commands, user), strict=True)
    }


@pytest.fixture(scope="module")
def words_said(inside: Cell) -> dict[tuple[str, str], str]:
    """What the tools said to each command of each user."""
    commands = [f"({command}) && echo DONE" for command, _ in WORDS]
    return {
        (user, command): said
        for user in (ROOT, USER)
        for (command, _), said in zip(WORDS, inside.answers(commands, user), strict=True)
    }


@pytest.mark.parametrize("user", [ROOT, USER])
@pytest.mark.parametrize(("attempt", "number"), REFUSALS.items())
def test_the_kernel_refuses(
    refusals: dict[tuple[str, str], str], attempt: str, number: int, user: str
) -> None:
    """No attempt succeeds, whoever makes it, and the errno is that of an ordinary server."""
    assert refusals[user, attempt] == f"refused {number}"


@pytest.mark.parametrize("user", [ROOT, USER])
@pytest.mark.parametrize(("command", "words"), WORDS)
def test_no_file_leads_out(
    words_said: dict[tuple[str, str], str], command: str, words: list[str], user: str
) -> None:
    """What a shell can write or read there fails, in the tools' own words."""
    said = words_said[user, command]
    assert "DONE" not in said
    assert any(word in said for word in (*words, DENIED)), said


def test_a_user_does_not_become_root(inside: Cell) -> None:
    """He may not by setresuid(2), and a set-user-id file of root's gives him nothing."""
    assert inside.run("/bin/attempts setuid-root", USER) == f"refused {errno.EPERM}"
    inside.run("cp /bin/attempts /bin/raised; chmod 4755 /bin/raised")
    assert inside.run("/bin/raised euid", USER) == inside.run("id -u", USER) != "0"


@pytest.mark.parametrize("user", [ROOT, USER])
def test_ordinary_programs_run(inside: Cell, user: str) -> None:
    """Threads, sockets and all that runtimes do at their start works as on a server."""
    assert inside.run("/bin/attempts ordinary; echo end", user) == "end"


@pytest.mark.parametrize("attempt", ["connect-abstract", "shared-memory"])
def test_a_neighbour_is_out_of_reach(inside: Cell, neighbour: Cell, attempt: str) -> None:
    """What one sandbox offers by a name, its own programs find and those of another do not."""
    assert neighbour.run(f"/bin/attempts {attempt}") == "DONE"
    assert inside.run(f"/bin/attempts {attempt}").startswith("refused ")


def test_a_neighbours_processes_and_files_are_out_of_sight(inside: Cell, neighbour: Cell) -> None:
    """Nothing of another visitor shows, and a signal to every process does not reach him."""
    inside.run("kill -9 -1")
    assert "attempts neighbour" in neighbour.run("ps; true")
    assert "attempts" not in inside.run("ps; true")
    assert neighbour.run("cat /root/mine") == "mine"
    assert NO_FILE in inside.run("cat /root/mine")


@pytest.mark.parametrize("user", [ROOT, USER])
def test_the_first_process_cannot_be_killed(inside: Cell, user: str) -> None:
    """No signal does anything to process 1, and his next login works."""
    kills = "for n in $(seq 1 31); do kill -$n 1 2>/dev/null; done; sleep 0.2; echo alive"
    assert inside.run(kills, user) == "alive"
    assert inside.run("cat /proc/1/comm", user) == "init"


def test_a_file_ends_at_the_largest_size(inside: Cell) -> None:
    """Not a byte beyond what the settings say, although the disk has room."""
    assert inside.run("/bin/attempts write-beyond") == f"refused {errno.EFBIG}"


def test_processes_are_bounded(inside: Cell) -> None:
    """A fork bomb meets the limit on processes and leaves the sandbox usable."""
    if not inside.enforces("pids.max"):
        pytest.skip("this machine does not enforce limits on processes")
    assert inside.run("/bin/attempts fork-many") in (f"refused {errno.EAGAIN}", "")
    assert inside.run("echo alive") == "alive"


def test_memory_is_bounded(inside: Cell) -> None:
    """Who asks for more than the limit is killed, and the sandbox is not."""
    if not inside.enforces("memory.max"):
        pytest.skip("this machine does not enforce limits on memory")
    count = SandboxSettings().memory + (64 << 20)
    inside.run(f"head -c {count} /dev/zero | tail -c {count} >/dev/null && echo DONE >/root/done")
    assert NO_FILE in inside.run("ls /root/done")


def test_little_of_the_host_shows(inside: Cell) -> None:
    """Of the service's user and of podman nothing shows but the root file system's own line."""
    mounts = inside.run("cat /proc/mounts").splitlines()
    assert [line for line in mounts if line.startswith("overlay / ")]
    others = "\n".join(line for line in mounts if not line.startswith("overlay / "))
    assert f"uid={os.getuid()}," not in others
    for word in ("podman", "hermes", "containers", "containerenv"):
        assert word not in others
    assert str(os.getuid()) not in inside.run("cat /proc/self/uid_map").split()
