"""The SpecGenerator document of a sandbox: all that its isolation rests on. Pure.

Fields: https://docs.podman.io/en/latest/_static/api.html, ``POST /libpod/containers/create``.
"""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hermes.settings import SandboxSettings, Settings

CPU_PERIOD_MICROSECONDS: Final = 100_000
INSTANCE_LABEL: Final = "hermes.instance"
RUN_LABEL: Final = "hermes.run"
SUPERVISOR_LABEL: Final = "hermes.supervisor"
"""Of what a unit of systemd keeps, which says so as its value."""
FILTER_ANNOTATION: Final = "run.oci.seccomp_bpf_data"  # crun(1)
COMMAND: Final = ("/sbin/init",)
# What Debian's login(1) gives; the first process passes on nothing else.
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "linux",
}
FIRST_ID: Final = 1
SOFT_FILES: Final = 1024
MOST_FILES: Final = 1 << 20
# Beyond podman's own list. Each adds a line to /proc/mounts that no server has, so only what
# names the host's hardware and the state of its kernel.
MASKED: Final = ("/sys/devices/virtual/dmi", "/sys/kernel", "/sys/module")


@dataclass(frozen=True)
class Host:
    """What the host offers to every sandbox."""

    seccomp_profile: Path
    """A file that podman's service can read."""
    ids: int
    """How many ids the service user's namespace has beside his own."""
    files: int
    """The hard limit on open files of podman's service, which nobody in it can raise."""
    seccomp_filter: bytes = b""
    """The profile as crun compiled it, once it has: libseccomp needs 20 ms for it."""


def sandbox_spec(
    settings: SandboxSettings,
    *,
    image: str,
    name: str,
    instance: str,
    run: str = "",
    hostname: str,
    timeout_seconds: int,
    host: Host | None = None,
) -> dict[str, Any]:
    """Describe one sandbox, which conmon ends after ``timeout_seconds`` whatever happens.

    Without a ``host`` podman's own profile and mapping are in use: only to read an image.
    """
    return {
        "image": image,
        "name": name,
        "hostname": hostname,
        "command": list(COMMAND),
        "env": dict(ENVIRONMENT),
        "terminal": False,
        "stdin": True,
        "labels": {INSTANCE_LABEL: instance, RUN_LABEL: run},
        "netns": {"nsmode": "none"},
        # As private as "private", but podman's own /dev/shm would show the service user's id.
        "ipcns": {"nsmode": "none"},
        "pidns": {"nsmode": "private"},
        "utsns": {"nsmode": "private"},
        "cap_drop": ["all"],
        "cap_add": [f"CAP_{name}" for name in settings.capabilities],
        "no_new_privileges": True,
        "read_only_filesystem": settings.read_only,
        "resource_limits": resource_limits(settings),
        "r_limits": r_limits(settings, None if host is None else host.files),
        "mask": list(MASKED),
        "mounts": mounts(settings),
        "log_configuration": {"driver": "none"},
        "timeout": timeout_seconds,
        "stop_signal": 9,
        "systemd": "false",
        "unsetenv": ["container", "HOME", "HOSTNAME"],
        "use_image_hosts": True,
        "use_image_resolve_conf": True,
        "use_image_hostname": settings.hostname is None,
        **({} if host is None else _of_host(host)),
    }


def lifetime_seconds(settings: Settings) -> int:
    """How long a sandbox is there: it waits and serves, and is still good for one more session."""
    grace = settings.limits.drain_seconds + settings.pool.spawn_timeout_seconds
    longest = settings.limits.session_seconds + settings.pool.linger_seconds + grace
    return int(4 * longest)


def id_mapping(size: int) -> dict[str, Any]:
    """Map root inside to a sub-id of the service's user instead of to the user himself.

    The same for every sandbox, so that podman shifts an image's owners once. ``size`` counts
    ids of the user's namespace, where 0 is the user and 1 the first sub-id.
    """
    ids = [{"container_id": 0, "host_id": FIRST_ID, "size": size}]
    return {
        "userns": {"nsmode": "private"},
        "idmappings": {
            "UIDMap": ids,
            "GIDMap": ids,
            "HostUIDMapping": False,
            "HostGIDMapping": False,
        },
    }


def r_limits(settings: SandboxSettings, files: int | None) -> list[dict[str, Any]]:
    """Lay out what setrlimit(2) holds each process to; ``files`` is the most that may be given.

    No limit on processes is among them: the kernel counts those of all sandboxes together,
    as they share one mapping, so that one visitor could stop the others' sandboxes from starting.
    """
    limits = [_r_limit("core", 0, 0), _r_limit("fsize", settings.disk, settings.disk)]
    if files is None:
        return limits
    hard = min(files, MOST_FILES)
    return [*limits, _r_limit("nofile", min(SOFT_FILES, hard), hard)]


def resource_limits(settings: SandboxSettings) -> dict[str, Any]:
    """Lay out the limits as the OCI runtime specification has them; swap is no way around."""
    return {
        "memory": {"limit": settings.memory, "swap": settings.memory},
        "cpu": {
            "quota": int(settings.cpus * CPU_PERIOD_MICROSECONDS),
            "period": CPU_PERIOD_MICROSECONDS,
        },
        "pids": {"limit": settings.pids},
    }


def mounts(settings: SandboxSettings) -> list[dict[str, Any]]:
    """Lay out what is a tmpfs on a server, too; podman leaves such a /run alone."""
    return [
        _tmpfs("/tmp", settings.tmpfs_size, "mode=1777"),  # noqa: S108 - the sandbox's own
        _tmpfs("/dev/shm", settings.memory // 2, "mode=1777"),  # noqa: S108
        _tmpfs("/run", settings.memory // 10, "mode=0755", "noexec", "tmpcopyup"),
    ]


def _of_host(host: Host) -> dict[str, Any]:
    document = {"seccomp_profile_path": str(host.seccomp_profile), **id_mapping(host.ids)}
    if host.seccomp_filter:  # never an empty one, which would refuse nothing
        document["annotations"] = {FILTER_ANNOTATION: b64encode(host.seccomp_filter).decode()}
    return document


def _r_limit(kind: str, soft: int, hard: int) -> dict[str, Any]:
    return {"type": kind, "soft": soft, "hard": hard}


def _tmpfs(destination: str, size: int, *options: str) -> dict[str, Any]:
    return {
        "type": "tmpfs",
        "source": "tmpfs",
        "destination": destination,
        "options": [f"size={size}", "nosuid", "nodev", *options],
    }
