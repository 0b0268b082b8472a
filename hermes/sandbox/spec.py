"""The SpecGenerator document of a sandbox: all that its isolation rests on. Pure.

Fields: https://docs.podman.io/en/latest/_static/api.html, ``POST /libpod/containers/create``.
"""

from typing import Any, Final

from hermes.settings import SandboxSettings

MAPPED_IDS: Final = 65_535
"""Of the 65,536 sub-ids of a user; podman's own namespace has one number before them."""

CPU_PERIOD_MICROSECONDS: Final = 100_000
INSTANCE_LABEL: Final = "hermes.instance"
INIT: Final = "/sbin/init"


def sandbox_spec(
    settings: SandboxSettings,
    *,
    image: str,
    name: str,
    instance: str,
    hostname: str,
    timeout_seconds: int,
) -> dict[str, Any]:
    """Describe one sandbox, which conmon ends after ``timeout_seconds`` whatever happens."""
    return {
        "image": image,
        "name": name,
        "hostname": hostname,
        "command": [INIT],
        "stdin": True,
        "terminal": False,
        "labels": {INSTANCE_LABEL: instance},
        "netns": {"nsmode": "none"},
        "ipcns": {"nsmode": "private"},
        "pidns": {"nsmode": "private"},
        "utsns": {"nsmode": "private"},
        "cap_drop": ["all"],
        "cap_add": [f"CAP_{name}" for name in settings.capabilities],
        "no_new_privileges": True,
        "read_only_filesystem": settings.read_only,
        "resource_limits": resource_limits(settings),
        "r_limits": [{"type": "core", "hard": 0, "soft": 0}],
        "mounts": [_tmpfs("/tmp", settings.tmpfs_size)],  # noqa: S108 - the sandbox's own
        "log_configuration": {"driver": "none"},
        "timeout": timeout_seconds,
        "stop_signal": 9,
        "systemd": "false",
        "unsetenv": ["container"],
        "use_image_hosts": True,
        "use_image_resolve_conf": True,
    }


def id_mapping(size: int = MAPPED_IDS) -> dict[str, Any]:
    """Map root inside to the first sub-id, which owns nothing of the user's own.

    ``host_id`` counts in podman's user namespace, where 0 is the user. One mapping for all
    sandboxes: podman copies an image for every mapping that it has not met.
    """
    ids = [{"container_id": 0, "host_id": 1, "size": size}]
    return {
        "userns": {"nsmode": "private"},
        "idmappings": {
            "UIDMap": ids,
            "GIDMap": ids,
            "HostUIDMapping": False,
            "HostGIDMapping": False,
        },
    }


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


def _tmpfs(destination: str, size: int) -> dict[str, Any]:
    return {
        "type": "tmpfs",
        "source": "tmpfs",
        "destination": destination,
        "options": [f"size={size}", "mode=1777", "nosuid", "nodev"],
    }
