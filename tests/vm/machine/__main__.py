"""``python -m tests.vm.machine``: a machine to look around in; ctrl-c ends it."""

import shlex
import signal
import tempfile
import time
from pathlib import Path

from tests.vm.machine.disk import provide
from tests.vm.machine.qemu import Machine


def main() -> None:
    """Boot a machine, print how to reach it, and stop it on a signal."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    disk = provide()
    print(f"disk: {disk.image} ({time.monotonic() - begun:.0f} s)", flush=True)
    with tempfile.TemporaryDirectory(prefix="vm-") as directory:
        machine = Machine(disk, Path(directory))
        try:
            machine.start()
            print(f"up after {time.monotonic() - begun:.0f} s; its console: {machine.console}")
            for user in ("root", "hermes"):
                print(shlex.join(machine.ssh(user)), flush=True)
            signal.pause()
        except KeyboardInterrupt:
            print("shutting down")
        finally:
            machine.stop()


if __name__ == "__main__":
    main()
