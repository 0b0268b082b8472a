"""One boot of the machine: a process, its console and ssh into it."""

import contextlib
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.vm.machine.disk import Disk, run

BOOT_SECONDS: Final = 240.0
_STOP_SECONDS: Final = 60.0
_COMMAND_SECONDS: Final = 120.0
_GUEST_PORTS: Final = (22, 2222)
# On a busy host an emulated TSC is calibrated wrong, and the machine's time would run away.
_CLOCK: Final = "tsc=unstable clocksource=acpi_pm no_timer_check"
_KERNEL: Final = f"root=/dev/vda rw console=ttyS0 panic=1 {_CLOCK} systemd.show_status=false"


class Machine:
    """A machine on a throwaway layer above the disk; ``directory`` is its own."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        self.directory = directory
        self.console = directory / "console.log"
        self.control, self.front = (_free_port() for _ in _GUEST_PORTS)
        """Ports on loopback: of the control's ssh, and of the machine's port 2222."""
        self._disk = disk
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Boot it and wait until it can be reached."""
        layer = self.directory / "layer.qcow2"
        base = ("-b", str(self._disk.image), "-F", "raw")
        run(self.directory, "qemu-img", "create", "-q", "-f", "qcow2", *base, str(layer))
        with (self.directory / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._qemu(layer), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._reached("")

    def reboot(self) -> None:
        """Reboot it as an operator would, and wait until it can be reached."""
        before = self._boot_id()
        self._ask("reboot")
        self._reached(before)

    def stop(self) -> None:
        """Shut it down; a second call does nothing."""
        if self._process is None:
            return
        process, self._process = self._process, None
        self._ask("poweroff")
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ssh(self, user: str = "hermes") -> list[str]:
        """Compose the command that logs in."""
        options = (
            *("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"),
            *("BatchMode=yes", "ConnectTimeout=30", "ControlMaster=auto", "ControlPersist=60"),
            f"ControlPath={self.directory}/%C",
        )
        flags = [flag for option in options for flag in ("-o", option)]
        where = ["-i", str(self._disk.identity), "-p", str(self.control), f"{user}@127.0.0.1"]
        return ["ssh", "-F", "none", *flags, *where]

    def run(
        self,
        command: str,
        *,
        user: str = "hermes",
        check: bool = True,
        stdin: bytes = b"",
        seconds: float = _COMMAND_SECONDS,
    ) -> str:
        """Run a shell command in it, and return what it said on both streams."""
        done = subprocess.run(
            [*self.ssh(user), f"exec 2>&1\n{command}"],
            input=stdin,
            stdout=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
        said = done.stdout.decode(errors="replace").strip()
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{said}"
        return said

    def put(self, source: Path, target: str, *, user: str = "root") -> None:
        """Copy a directory's contents into a directory of the machine, which is made."""
        packed = subprocess.run(["tar", "-C", source, "-c", "."], check=True, capture_output=True)
        where = shlex.quote(target)
        unpack = f"mkdir -p {where} && tar -C {where} --no-same-owner -x"
        self.run(unpack, user=user, stdin=packed.stdout)

    def _qemu(self, layer: Path) -> list[str]:
        pairs = zip((self.control, self.front), _GUEST_PORTS, strict=True)
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in pairs)
        return [
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
            *("-m", "4096", "-smp", "2", "-display", "none", "-monitor", "none"),
            *("-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console"),
            *("-kernel", str(self._disk.directory / "vmlinuz")),
            *("-initrd", str(self._disk.directory / "initrd.img"), "-append", _KERNEL),
            *("-drive", f"file={layer},if=virtio,format=qcow2,cache=unsafe"),
            *("-netdev", f"user,id=net,restrict=on,{forwards}"),
            *("-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"),
        ]

    def _ask(self, verb: str) -> None:
        """Ask it to go down; it need not answer."""
        command = [*self.ssh("root"), f"systemctl {verb}"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=40, check=False)

    def _boot_id(self) -> str:
        """Return which boot this is; empty while nobody answers."""
        command = [*self.ssh("root"), "cat /proc/sys/kernel/random/boot_id"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
        except subprocess.TimeoutExpired:  # a machine that is going down may not answer at all
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def _reached(self, before: str) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while (now := self._boot_id()) in ("", before):
            assert self._process is not None
            assert self._process.poll() is None, (self.directory / "qemu.log").read_text()
            assert time.monotonic() < deadline, f"no answer:\n{self.last_words()}"
            time.sleep(1)
        assert now

    def last_words(self) -> str:
        """Return the end of the console's log."""
        return self.console.read_text(errors="replace")[-4000:]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
