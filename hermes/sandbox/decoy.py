"""What the decoy image itself says: accounts, host name, and the OpenSSH it has installed."""

import re
import tarfile
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from hermes.errors import ImageError, PodmanError, PodmanNotFoundError
from hermes.sandbox.engine import Engine

DEFAULT_BANNER: Final = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"
_DEFAULT_HOSTNAME: Final = "debian"
_HOSTNAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_VERSION: Final = re.compile(r"(?:\d+:)?([\w.]+)-([\w.+~-]{1,99})", re.ASCII)


@dataclass(frozen=True)
class Decoy:
    """Facts of an image, read when the service starts and when the name means another image."""

    image: str = ""
    """Podman's id: a name may be given to another image while sandboxes are made."""
    hostname: str = _DEFAULT_HOSTNAME
    banner: str = DEFAULT_BANNER


async def image_id(engine: Engine, image: str) -> str:
    """Return podman's id of an image; raises ImageError, with the fix, when there is none."""
    try:
        return str((await engine.json("GET", f"/images/{image}/json"))["Id"])
    except PodmanNotFoundError as error:
        raise ImageError(
            f"podman has no image {image}; run 'hermes image build --tag {image}' "
            "or set HERMES_SANDBOX__IMAGE to one that 'hermes image list' shows"
        ) from error


async def read_decoy(engine: Engine, container: str, image: str) -> Decoy:
    """Read the facts from a container of ``image`` that was created and not started."""
    hostname = (await read_file(engine, container, "/etc/hostname")).strip().lower()
    return Decoy(
        image=image,
        hostname=hostname if _HOSTNAME.fullmatch(hostname) else _DEFAULT_HOSTNAME,
        banner=await installed_banner(engine, container) or DEFAULT_BANNER,
    )


async def installed_banner(engine: Engine, container: str) -> str | None:
    """Return what the installed OpenSSH announces; None without one."""
    return _banner(await read_file(engine, container, "/var/lib/dpkg/status"))


def _banner(dpkg_status: str) -> str | None:
    """Compose Debian's identification line from the version of its openssh-server package."""
    for paragraph in dpkg_status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        version = _VERSION.fullmatch(fields.get("Version", ""))
        if fields.get("Package") == "openssh-server" and version is not None:
            vendor = "Ubuntu" if "ubuntu" in version[2] else "Debian"
            return f"SSH-2.0-OpenSSH_{version[1]} {vendor}-{version[2]}"
    return None


async def read_file(engine: Engine, container: str, path: str) -> str:
    """Return a regular file of a container, running or not; nothing for a link or none."""
    try:
        tar = await engine.request("GET", f"/containers/{container}/archive", query={"path": path})
    except PodmanNotFoundError:
        return ""
    try:
        with tarfile.open(fileobj=BytesIO(tar)) as archive:
            files = [archive.extractfile(member) for member in archive if member.isreg()]
            return "".join(file.read().decode(errors="replace") for file in files if file)
    except tarfile.TarError as error:
        raise PodmanError(f"podman's archive of {path} is damaged: {error}") from error
