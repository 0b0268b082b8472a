"""The broker as a unit of its own, in both shapes.

It works in the user's own namespace, where the files of sandboxes have owners, and sees the
host's processes: the service, which strangers talk to, has neither.
"""

from typing import Final

from hermes.quadlet.members import without_network
from hermes.quadlet.places import RUNTIME, Places
from hermes.quadlet.service import IMAGE, VOLUME, shared, shut_in
from hermes.quadlet.settings import STATE
from hermes.quadlet.text import HEADER, Option, for_podman, lines
from hermes.quadlet.versions import Version

_COMMAND: Final = f"-m hermes.sandbox.broker --listen {RUNTIME}/broker.sock"
# Reading what any id in the namespace left, memory included, and ending it.
_CAPABILITIES: Final = (
    *("DAC_OVERRIDE", "DAC_READ_SEARCH", "SYS_PTRACE", "KILL"),
    *("SYS_ADMIN", "SYS_CHROOT"),  # to enter a sandbox's mount namespace before its visitor
)

_PROGRAM: Final = """\
{header}# Takes what visitors left out of their sandboxes, with the powers that Hermes itself lacks.
# It has what root has in the user's own namespace. No seccomp filter and no NoNewPrivileges=: a
# podman that has to make that namespace starts setuid newuidmap.

[Unit]
Description=Broker of Hermes
PartOf=hermes.target
After=hermes-podman.socket
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/usr/bin/podman unshare {python} {command}
Restart=always
RestartSec=1
TimeoutStopSec=60
# podman unshare passes no signal on; a harvest that has begun is finished.
KillMode=control-group
RuntimeDirectory=hermes
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077
"""

_CONTAINER: Final = """\
{header}# Takes what visitors left out of their sandboxes, with the powers that Hermes itself lacks.
# It is in the user's own namespace and sees the host's processes and podman's storage; of what root
# has there it keeps what it takes to read any file, look into a process and end it, and to enter
# a sandbox's mount namespace before its visitor.

[Unit]
Description=Broker of Hermes
PartOf=hermes.target
After=hermes-podman.socket
StartLimitIntervalSec=0
{quadlet}
[Container]
Image={image}
ContainerName=hermes-broker
Exec=python {command}
{options}

[Service]
Restart=always
RestartSec=1
TimeoutStopSec=60
RuntimeDirectory=hermes
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
"""


def program(places: Places) -> str:
    """Compose ``hermes-broker.service``."""
    return _PROGRAM.format(header=HEADER, python=places.python, command=_COMMAND)


def container(version: Version) -> str:
    """Compose ``hermes-broker.container``."""
    return _CONTAINER.format(
        header=for_podman(version),
        quadlet=without_network(version),
        image=IMAGE,
        command=_COMMAND,
        options=lines(_options(), version),
    )


def _options() -> list[Option]:
    return [
        *shut_in(*_CAPABILITIES),
        Option("--user=0", "User", "0"),
        Option("--pid=host"),
        Option("--entrypoint="),
        Option("--no-healthcheck"),
        shared(RUNTIME),
        shared("%h/.local/share/containers/storage"),
        shared("%t/containers"),
        shared("%t/libpod"),
        shared(f"{VOLUME}.volume", STATE),
    ]
