"""What holds the pool together: its target, its ceilings, podman's API, and the decoy."""

from typing import Final

from hermes.quadlet.members import without_network
from hermes.quadlet.places import CONFIG, RUNTIME, Places, escape
from hermes.quadlet.text import HEADER, for_podman
from hermes.quadlet.versions import Version
from hermes.sandbox.api_service import CONTAINERS_CONF
from hermes.settings import Settings

CONMON_BYTES: Final = 16 << 20
CONMON_TASKS: Final = 8
_BASE: Final = "docker.io/library/debian:12"

_TARGET: Final = """\
{header}# All of Hermes: systemctl --user start hermes.target, and stop, and restart.

[Unit]
Description=Hermes, an SSH honeypot
Wants=hermes.socket hermes.service hermes-podman.socket hermes-broker.service
# Of these two the one that is there; a decoy that podman has is left alone.
Wants=hermes-decoy.service hermes-decoy-build.service
Wants={members}

[Install]
WantedBy=default.target
"""

_SLICE: Final = """\
{header}# Ceilings for all sandboxes together: HERMES_POOL__MAX times those of one, and a little for
# podman's process beside each.

[Unit]
Description=Sandboxes of Hermes

[Slice]
MemoryMax={memory}
MemorySwapMax=0
CPUQuota={cpu}%
TasksMax={tasks}
"""

_PODMAN_SOCKET: Final = """\
{header}# Podman's API for Hermes alone; the user's own podman.socket is left as it is.

[Unit]
Description=Podman's API for Hermes
PartOf=hermes.target

[Socket]
ListenStream={runtime}/podman.sock
SocketMode=0600
DirectoryMode=0700
"""

_PODMAN_SERVICE: Final = """\
{header}# Podman's API for Hermes. It has all that the user has, and cannot have less: it makes
# namespaces, mounts in them, and starts setuid newuidmap, which a seccomp filter of systemd or
# NoNewPrivileges= would stop.

[Unit]
Description=Podman's API for Hermes
PartOf=hermes.target
Requires=hermes-podman.socket
After=hermes-podman.socket
StartLimitIntervalSec=0

[Service]
Type=exec
Environment=CONTAINERS_CONF={config}/containers.conf
# A short command makes the user's namespace: a service that makes it itself goes on in a second
# process, which no signal reaches.
ExecStartPre=-/usr/bin/podman ps --quiet
ExecStart=/usr/bin/podman system service --time=0
Restart=always
RestartSec=1
# Containers are in scopes of their own, and outlive it.
Delegate=yes
KillMode=process
UMask=0077
"""

_DECOY_SERVICE: Final = """\
{header}# Builds the decoy from the package archive when podman has none; needs no registry.

[Unit]
Description=Decoy of Hermes
PartOf=hermes.target
Wants=hermes-podman.socket
After=hermes-podman.socket

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=1800
Environment=HERMES_PODMAN__SOCKET={runtime}/podman.sock
ExecCondition=/bin/sh -c '! /usr/bin/podman image exists {image}'
ExecStart={python} -m hermes image build --tag {image}
"""

_DECOY_BUILD: Final = """\
{header}# Builds the decoy from an image of a registry when podman has none.

[Unit]
Description=Decoy of Hermes
PartOf=hermes.target
{quadlet}
[Build]
ImageTag={image}
File={sources}/Containerfile
SetWorkingDirectory={sources}
Label={label}
PodmanArgs=--build-arg=BASE={base} --build-arg=SEED=${{SEED}} --build-arg=NOW=${{NOW}}
PodmanArgs=--network=host --layers=false --force-rm

[Service]
TimeoutStartSec=1800
RuntimeDirectory=hermes
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077
ExecCondition=/bin/sh -c '! /usr/bin/podman image exists {image}'
# Its names, keys and passwords come from the seed, so that no two decoys are alike.
ExecStartPre=/bin/sh -c 'echo "SEED=$$(od -An -N32 -tx1 /dev/urandom | tr -d " \\n")" \
>{runtime}/decoy.env; echo "NOW=$$(date +%%s)" >>{runtime}/decoy.env'
EnvironmentFile=-{runtime}/decoy.env
ExecStartPost=/bin/rm -f {runtime}/decoy.env
"""


def target(settings: Settings) -> str:
    """Compose ``hermes.target``."""
    return _TARGET.format(header=HEADER, members=" ".join(members(settings)))


def members(settings: Settings) -> list[str]:
    """Name the units of the pool's members."""
    return [f"hermes-sandbox@{number}.service" for number in range(1, settings.pool.size + 1)]


def slice_unit(settings: Settings) -> str:
    """Compose ``hermes.slice``."""
    most, box = settings.pool.max, settings.sandbox
    return _SLICE.format(
        header=HEADER,
        memory=most * (box.memory + CONMON_BYTES),
        cpu=round(100 * most * box.cpus),
        tasks=most * (box.pids + CONMON_TASKS),
    )


def podman_socket() -> str:
    """Compose ``hermes-podman.socket``."""
    return _PODMAN_SOCKET.format(header=HEADER, runtime=RUNTIME)


def podman_service() -> str:
    """Compose ``hermes-podman.service``."""
    return _PODMAN_SERVICE.format(header=HEADER, config=CONFIG)


def containers_conf() -> str:
    """Compose ``containers.conf``: what Hermes gives to a podman that it starts itself, too."""
    return HEADER + CONTAINERS_CONF.format(cgroup_manager="systemd")


def decoy_service(settings: Settings, places: Places) -> str:
    """Compose ``hermes-decoy.service``."""
    image = escape(settings.sandbox.image)
    return _DECOY_SERVICE.format(header=HEADER, runtime=RUNTIME, python=places.python, image=image)


def decoy_build(settings: Settings, places: Places, version: Version, label: str) -> str:
    """Compose ``hermes-decoy.build``; ``label`` tells which init the image has."""
    return _DECOY_BUILD.format(
        header=for_podman(version),
        quadlet=without_network(version),
        image=escape(settings.sandbox.image),
        sources=places.sources,
        label=label,
        base=_BASE,
        runtime=RUNTIME,
    )
