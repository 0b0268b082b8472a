"""A decoy of busybox alone, which is made in a second.

``python -m tests.busybox FILE`` writes its root file system as a tar, and prints the change that
podman import has to make to it.
"""

import asyncio
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hermes.image import guest_init

BUSYBOX = Path("/bin/busybox")
_DIRECTORIES = {"root": 0o700, "tmp": 0o1777, "home": 0o755, "proc": 0o755}
_FILES = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    ),
    "etc/group": "root:x:0:\ndaemon:x:1:\n",
    "etc/shadow": "root:*:19700:0:99999:7:::\n",
    "etc/hostname": "archive-02\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/resolv.conf": "nameserver 192.0.2.53\n",
}


def label() -> str:
    """Return the change that tells which init the image has."""
    return f"LABEL {guest_init.LABEL}={guest_init.version()}"


def tree(init: Path, files: Mapping[str, str]) -> bytes:
    """Lay out a root file system, with ``files`` in place of its own or beside them, as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, mode in _DIRECTORIES.items():
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, mode
            tar.addfile(directory)
        tar.add(BUSYBOX.resolve(), "bin/busybox")
        tar.add(init, "sbin/init", filter=_owned_by_root)
        for applet in _applets():
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, text in {**_FILES, **files}.items():
            file = tarfile.TarInfo(name)
            file.size = len(text)
            tar.addfile(file, io.BytesIO(text.encode()))
    return out.getvalue()


def _applets() -> set[str]:
    listed = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    return set(listed.stdout.split()) - {"busybox"}


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.mode = 0o755
    return member


def main() -> None:
    """Write the tar."""
    with tempfile.TemporaryDirectory() as directory:
        init = asyncio.run(guest_init.compile_init(Path(directory)))
        Path(sys.argv[1]).write_bytes(tree(init, {}))
    print(label())


if __name__ == "__main__":
    main()
