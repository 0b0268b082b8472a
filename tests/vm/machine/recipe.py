"""What the machine's disk is made of, and the name that its cache has."""

import hashlib
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hermes.image.archive import Source, of_host, public

SUITE: Final = "trixie"
SETUP: Final = Path(__file__).with_name("setup.sh")
SIZE: Final = "8G"
_SYSTEM: Final = (
    "systemd systemd-sysv dbus-user-session libpam-systemd linux-image-cloud-amd64 udev kmod "
    "openssh-server iproute2 procps ca-certificates"
)
# Those of scripts/lib/packages.sh, and what podman only recommends.
_HERMES: Final = (
    "podman crun catatonit fuse-overlayfs mmdebstrap python3 python3-venv uidmap gcc libc6-dev "
    "netavark aardvark-dns passt busybox-static"
)
PACKAGES: Final = f"{_SYSTEM} {_HERMES}"


def key() -> str:
    """Return the hash of the recipe: another one is another disk."""
    digest = hashlib.sha256(SETUP.read_bytes())
    digest.update(f"{SUITE} {SIZE} {PACKAGES}".encode())
    return digest.hexdigest()[:16]


def mmdebstrap_command(
    tarball: Path, scratch: Path, *, public_key: str, sources: Iterable[str], options: Sequence[str]
) -> tuple[str, ...]:
    """Write the command line; the user's sub-ids must be able to enter ``scratch``."""
    setup = f'env KEY={shlex.quote(public_key)} sh {shlex.quote(str(scratch / SETUP.name))} "$1"'
    return (
        *("env", f"TMPDIR={scratch}", "LC_ALL=C.UTF-8", "mmdebstrap"),
        *("--mode=unshare", "--variant=minbase", "--format=tar"),
        f"--include={','.join(PACKAGES.split())}",
        *(f"--aptopt={option}" for option in options),
        "--dpkgopt=force-unsafe-io",
        *("--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*"),
        f"--customize-hook={setup}",
        *(SUITE, str(tarball), *sources),
    )


def sources_from(known: Iterable[Source]) -> tuple[str, ...]:
    """Return where the release comes from: this machine's own archive, if it is Debian's."""
    uris = [each.uri for each in known if urlsplit(each.uri).path.rstrip("/") == "/debian"]
    uri = uris[0] if uris else public("debian", SUITE)[0].uri
    return (f"deb {uri} {SUITE} main",)


def sources() -> tuple[str, ...]:
    """Return the package sources for this machine."""
    return sources_from(of_host().sources)
