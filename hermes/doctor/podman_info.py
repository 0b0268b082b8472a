"""What ``podman info`` says of itself, its helpers and its storage."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from hermes.doctor.check import Check, fail, ok, warn
from hermes.errors import PodmanError

_SECONDS: Final = 30.0


@dataclass(frozen=True)
class PodmanInfo:
    """The facts that matter; empty text for what podman does not tell."""

    version: str
    runtime: str
    conmon: str
    rootless: bool
    driver: str
    by_fuse: bool
    graph_root: Path

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the JSON; raises PodmanError when it is something else."""
        try:
            document = json.loads(text)
            host, store = document["host"], document["store"]
            options = store.get("graphOptions") or {}
            return cls(
                version=str(document["version"]["Version"]),
                runtime=str(_inner(host, "ociRuntime").get("version", "")),
                conmon=str(_inner(host, "conmon").get("version", "")),
                rootless=bool(_inner(host, "security").get("rootless")),
                driver=str(store["graphDriverName"]),
                by_fuse="overlay.mount_program" in options,
                graph_root=Path(str(store["graphRoot"])),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PodmanError("podman info answered something else than JSON of itself") from error


def _inner(document: dict[str, Any], name: str) -> dict[str, Any]:
    inner: dict[str, Any] = document.get(name) or {}
    return inner


def ask_podman(socket: Path | None) -> PodmanInfo:
    """Run ``podman info``; raises PodmanError with its last words."""
    remote = ["--remote", "--url", f"unix://{socket}"] if socket else []
    command = ["podman", *remote, "info", "--format", "json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise PodmanError("podman is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise PodmanError(f"podman info did not answer in {_SECONDS:g} s") from error
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise PodmanError(f"podman info failed: {words[-1]}")
    return PodmanInfo.parse(done.stdout)


def rootless(info: PodmanInfo) -> Check:
    """Judge whose containers they are."""
    if info.rootless:
        return ok("rootless", "podman runs without root")
    return fail(
        "rootless",
        "podman runs as root, so root in a sandbox would be root outside",
        "start podman's service as an ordinary user, and name its socket in HERMES_PODMAN__SOCKET "
        "or leave that empty",
    )


def storage(info: PodmanInfo) -> Check:
    """Judge the storage driver: what copies the whole image makes every sandbox slow."""
    overlay = 'write [storage] and driver = "overlay" into ~/.config/containers/storage.conf'
    if info.driver == "overlay" and not info.by_fuse:
        return ok("storage", f"overlay in {info.graph_root}")
    if info.driver in {"overlay", "btrfs", "zfs"}:
        return warn(
            "storage",
            f"{info.driver}{' by fuse-overlayfs' if info.by_fuse else ''} in {info.graph_root}",
            f"{overlay}, without mount_program, and run podman system reset",
        )
    return fail(
        "storage",
        f"the driver {info.driver} copies the whole image for every sandbox",
        f"{overlay}, and run podman system reset (it deletes all images and containers)",
    )
