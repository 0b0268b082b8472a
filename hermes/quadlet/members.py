"""One member of the pool as a unit: the sandbox that `hermes.sandbox.spec` describes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hermes.quadlet.options import options
from hermes.quadlet.places import CONFIG, RUNTIME, escape
from hermes.quadlet.text import HEADER, Option, for_podman, lines
from hermes.quadlet.versions import NO_HOSTNAME, QUADLET_SECTION, Version
from hermes.sandbox.spec import COMMAND, Host, lifetime_seconds, sandbox_spec
from hermes.settings import Settings

LABELS: Final = {"hermes.supervisor": "systemd"}
MAPPED_IDS: Final = 65536
"""What useradd gives in /etc/subuid; where there are fewer, no member starts."""
OPEN_FILES: Final = 524288
"""systemd's own hard limit (DefaultLimitNOFILE=), above which no user's service can go."""
_IMAGE_DECIDES: Final = "${DECOY_HOSTNAME}"

_MEMBER: Final = """\
{header}# One sandbox of the pool. systemd starts a fresh one when its visitor's stay has ended.
# The isolation is what hermes/sandbox/spec.py asks of podman, said in keys and options.

[Unit]
Description=Sandbox %i of Hermes
PartOf=hermes.target
{names}After=hermes-decoy.service hermes-decoy-build.service
# A visitor who ends his stay at once, again and again, must not end the pool.
StartLimitIntervalSec=0
{quadlet}
[Container]
Image={image}
Exec={command}
{options}

[Service]
Slice=hermes.slice
Environment=CONTAINERS_CONF={config}/containers.conf
{hostname}Restart=always
# Whoever stops it kills its first process, and with that all others.
SuccessExitStatus=137
RestartSec=1
TimeoutStartSec=120
TimeoutStopSec=30
"""

_NAMES: Final = "Wants=hermes-hostname.service\nAfter=hermes-hostname.service\n"
_HOSTNAME_LINES: Final = f"""\
# The image's own name, which hermes-hostname.service has read.
Environment=DECOY_HOSTNAME=debian
EnvironmentFile=-{RUNTIME}/hostname.env
"""

_HOSTNAME_UNIT: Final = """\
{header}# Reads the host name that the decoy was furnished with, so that the kernel says the same.
# After another decoy was built: systemctl --user restart hermes-hostname.service.

[Unit]
Description=Host name of the decoy of Hermes
PartOf=hermes.target
After=hermes-decoy.service hermes-decoy-build.service

[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory=hermes
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077
# A container that is made and never started: /etc/hostname of a running one is podman's.
ExecStart=/usr/bin/podman create --replace --name=hermes-hostname --network=none --pull=never \
{image} {command}
ExecStart=/usr/bin/podman cp hermes-hostname:/etc/hostname {runtime}/hostname
ExecStart=/bin/sh -c 'sed -n "1s/^[A-Za-z0-9-]*$$/DECOY_HOSTNAME=&/p" {runtime}/hostname \
>{runtime}/hostname.env'
ExecStart=/usr/bin/podman rm --force --ignore hermes-hostname
"""


def member(settings: Settings, version: Version) -> str:
    """Compose ``hermes-sandbox@.container``."""
    own_name = settings.sandbox.hostname is None
    return _MEMBER.format(
        header=for_podman(version),
        names=_NAMES if own_name else "",
        quadlet=without_network(version),
        image=escape(settings.sandbox.image),
        command=" ".join(COMMAND),
        options=lines(_options(settings, version), version),
        config=CONFIG,
        hostname=_HOSTNAME_LINES if own_name else "",
    )


def hostname_unit(settings: Settings) -> str:
    """Compose ``hermes-hostname.service``."""
    image, command = escape(settings.sandbox.image), " ".join(COMMAND)
    return _HOSTNAME_UNIT.format(header=HEADER, image=image, command=command, runtime=RUNTIME)


def document(settings: Settings) -> dict[str, Any]:
    """Describe a member as podman's API would be told, but for the label that says whose it is."""
    host = Host(Path(f"{CONFIG}/seccomp.json"), MAPPED_IDS, OPEN_FILES)
    asked = sandbox_spec(
        settings.sandbox,
        image=settings.sandbox.image,
        name="hermes-sandbox-%i",
        instance="",
        hostname=settings.sandbox.hostname or _IMAGE_DECIDES,
        timeout_seconds=lifetime_seconds(settings),
        host=host,
    )
    return {**asked, "labels": LABELS}


def without_network(version: Version) -> str:
    """Keep Quadlet from waiting until the host's network is up, which no unit here needs."""
    if version < QUADLET_SECTION:
        return ""
    return "\n[Quadlet]\nDefaultDependencies=false\n"


def _options(settings: Settings, version: Version) -> Iterator[Option]:
    for option in options(document(settings)):
        if option.argument != "--no-hostname" or version >= NO_HOSTNAME:
            yield option
    yield Option("--pull=never", "Pull", "never")
