"""Versions against holes that are known. Pure.

Distributions mend old versions, so an old number is a reason to look, not a failure.
"""

import re
from typing import Final

from hermes.doctor.check import Check, fail, install, ok, warn

Version = tuple[int, ...]

_FIRST_API: Final = (4, 0)
_TRUSTS_IMAGES: Final = (5, 7, 1)
_CRUN: Final = (1, 27)
_CONMON: Final = (2, 1, 2)
_KERNEL: Final = (6, 1)
_ASYNCSSH: Final = (2, 24)


def version_of(text: str) -> Version:
    """Return the first dotted number in a text; nothing for a text without one."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def podman(text: str, *, own_image: bool) -> Check:
    """Judge podman; before 5.7.1 a stranger's image can do harm when it is read."""
    version = version_of(text)
    if version < _FIRST_API:
        return fail("podman", _found(version), install("podman"))
    if version < _TRUSTS_IMAGES and not own_image:
        return warn(
            "podman",
            f"{_found(version)}, and sandboxes are made of an image that hermes did not build",
            "hermes image build, or install podman 5.7.1 or later",
        )
    return ok("podman", _found(version))


def crun(text: str) -> Check:
    """Judge the OCI runtime, which stands between a sandbox and its user outside."""
    if not text.startswith("crun"):
        other = text.partition("\n")[0] or "none"
        return warn("crun", f"another OCI runtime is in use: {other}", install("crun"))
    fix = "install crun 1.27 or later, or see that the distribution mends this one"
    return _at_least("crun", text, _CRUN, fix)


def conmon(text: str) -> Check:
    """Judge the monitor: one before 2.1.2 can be made to use up memory by what it reads."""
    return _at_least("conmon", text, _CONMON, install("conmon"))


def kernel(text: str) -> Check:
    """Judge the kernel, which is all that separates sandboxes."""
    return _at_least(
        "kernel",
        text,
        _KERNEL,
        "upgrade to a kernel that is still mended, such as that of Debian 12 or later, and reboot",
    )


def asyncssh(text: str) -> Check:
    """Judge the SSH library, which reads what strangers send."""
    version = version_of(text)
    if version < _ASYNCSSH:
        return fail("asyncssh", _found(version), "pip install 'asyncssh>=2.24.1,<2.25'")
    return ok("asyncssh", _found(version))


def _at_least(name: str, text: str, least: Version, fix: str) -> Check:
    version = version_of(text)
    if version < least:
        wanted = ".".join(map(str, least))
        return warn(name, f"{_found(version)}, {wanted} or later is recommended", fix)
    return ok(name, _found(version))


def _found(version: Version) -> str:
    return ".".join(map(str, version)) or "unknown version"
