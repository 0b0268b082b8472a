"""The document of a sandbox as options of podman run.

`hermes.sandbox.spec` alone decides what a sandbox is. Every field of its document is either
translated here or refused, so that none can be lost on the way.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from hermes.quadlet.places import escape, quote
from hermes.quadlet.text import Option

Translation = Callable[[Any], Iterator[Option]]


def options(document: dict[str, Any]) -> Iterator[Option]:
    """Translate a document but for its image; KeyError for a field that nobody knows here."""
    for name, value in document.items():
        yield from _FIELDS[name](value)


def _flag(flag: str, key: str = "") -> Translation:
    def translate(value: Any) -> Iterator[Option]:
        text = str(value)
        yield Option(f"--{flag}={text}", key, text)

    return translate


def _each(flag: str, key: str = "") -> Translation:
    def translate(values: list[str]) -> Iterator[Option]:
        for value in values:
            yield Option(f"--{flag}={value}", key, value)

    return translate


def _namespace(flag: str, key: str = "") -> Translation:
    return lambda value: _flag(flag, key)(value["nsmode"])


def _pairs(flag: str, key: str) -> Translation:
    def translate(values: dict[str, str]) -> Iterator[Option]:
        for name, value in values.items():
            text = escape(f"{name}={value}")
            yield Option(f"--{flag}={text}", key, quote(text))

    return translate


def _added(names: list[str]) -> Iterator[Option]:
    yield from _each("cap-add", "AddCapability")([name.removeprefix("CAP_") for name in names])


def _unprivileged(value: bool) -> Iterator[Option]:  # noqa: FBT001 - a field of the document
    assert value  # noqa: S101 - there is no way to want the other
    yield Option("--security-opt=no-new-privileges", "NoNewPrivileges", "true")


def _read_only(value: bool) -> Iterator[Option]:  # noqa: FBT001 - a field of the document
    if value:
        yield Option("--read-only", "ReadOnly", "true")
        # podman run would mount a tmpfs in five more places.
        yield Option("--read-only-tmpfs=false", "ReadOnlyTmpfs", "false")


def _limits(value: dict[str, Any]) -> Iterator[Option]:
    memory, cpu = value["memory"], value["cpu"]
    yield Option(f"--memory={memory['limit']}", "Memory", str(memory["limit"]))
    yield Option(f"--memory-swap={memory['swap']}")
    yield Option(f"--cpu-period={cpu['period']}")
    yield Option(f"--cpu-quota={cpu['quota']}")
    yield from _flag("pids-limit", "PidsLimit")(value["pids"]["limit"])


def _r_limits(values: list[dict[str, Any]]) -> Iterator[Option]:
    yield from _each("ulimit", "Ulimit")(
        [f"{limit['type']}={limit['soft']}:{limit['hard']}" for limit in values]
    )


def _masks(paths: list[str]) -> Iterator[Option]:
    joined = ":".join(paths)
    yield Option(f"--security-opt=mask={joined}", "Mask", joined)


def _mounts(values: list[dict[str, Any]]) -> Iterator[Option]:
    for mount in values:
        text = f"{mount['destination']}:{','.join(mount['options'])}"
        yield Option(f"--tmpfs={text}", "Tmpfs", text)


def _seccomp(path: str) -> Iterator[Option]:
    yield Option(f"--security-opt=seccomp={path}", "SeccompProfile", path)


def _mappings(value: dict[str, Any]) -> Iterator[Option]:
    for kind, flag, key in (("UIDMap", "uidmap", "UIDMap"), ("GIDMap", "gidmap", "GIDMap")):
        for one in value[kind]:
            text = f"{one['container_id']}:{one['host_id']}:{one['size']}"
            yield Option(f"--{flag}={text}", key, text)


def _only_if(argument: str) -> Translation:
    def translate(value: bool) -> Iterator[Option]:  # noqa: FBT001 - a field of the document
        if value:
            yield Option(argument)

    return translate


def _nothing(_value: Any) -> Iterator[Option]:
    """Pass over what has no option: the unit says it by itself."""
    return iter(())


_FIELDS: Final[dict[str, Translation]] = {
    "image": _nothing,
    "command": _nothing,
    "userns": _nothing,  # a mapping brings a namespace of its own
    "terminal": _nothing,
    "name": _flag("name", "ContainerName"),
    "hostname": _flag("hostname", "HostName"),
    "env": _pairs("env", "Environment"),
    "stdin": _only_if("--interactive"),
    "labels": _pairs("label", "Label"),
    "netns": _namespace("network", "Network"),
    "ipcns": _namespace("ipc"),
    "pidns": _namespace("pid"),
    "utsns": _namespace("uts"),
    "cap_drop": _each("cap-drop", "DropCapability"),
    "cap_add": _added,
    "no_new_privileges": _unprivileged,
    "read_only_filesystem": _read_only,
    "resource_limits": _limits,
    "r_limits": _r_limits,
    "mask": _masks,
    "mounts": _mounts,
    "log_configuration": lambda value: _flag("log-driver", "LogDriver")(value["driver"]),
    "timeout": _flag("timeout"),
    "stop_signal": _flag("stop-signal", "StopSignal"),
    "systemd": _flag("systemd"),
    "unsetenv": _each("unsetenv"),
    "use_image_hosts": _only_if("--no-hosts"),
    # podman run refuses --dns=none beside --network=none, where it leaves the file alone anyway.
    "use_image_resolve_conf": _nothing,
    "use_image_hostname": _only_if("--no-hostname"),
    "seccomp_profile_path": _seccomp,
    "idmappings": _mappings,
}
