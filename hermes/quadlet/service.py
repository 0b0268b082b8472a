"""Hermes itself as a unit: its socket, and the service in both shapes."""

import ipaddress
from typing import Final

from hermes.errors import SettingsError
from hermes.quadlet import settings as assignments
from hermes.quadlet.members import without_network
from hermes.quadlet.places import CONFIG, RUNTIME, Places
from hermes.quadlet.pool import members
from hermes.quadlet.text import HEADER, Option, for_podman, lines, pairs
from hermes.quadlet.versions import Version
from hermes.settings import Settings

IMAGE: Final = "localhost/hermes:latest"
VOLUME: Final = "hermes-evidence"
_HARVEST_SECONDS: Final = 60
_KILL_SECONDS: Final = 15
_IPV6: Final = 6

_SOCKET: Final = """\
{header}# Where attackers connect. systemd listens, so that a restart of Hermes refuses
# nobody, and Hermes itself needs no network.
# A port below 1024 needs net.ipv4.ip_unprivileged_port_start, as systemd is the user's here.

[Unit]
Description=SSH port of Hermes
PartOf=hermes.target

[Socket]
{addresses}
BindIPv6Only=ipv6-only
Backlog=128
"""

_UNIT: Final = """\
[Unit]
Description=Hermes, an SSH honeypot
PartOf=hermes.target
Requires=hermes.socket hermes-podman.socket
Wants=hermes-broker.service
# It stops before them: what visitors left is taken while their sandboxes are still there.
After=hermes.socket hermes-podman.socket hermes-podman.service hermes-broker.service
After={members}
StartLimitIntervalSec=0
"""

_LIFE: Final = """\
# Ready as soon as a sandbox is warm, which on a new machine waits for a decoy to be built.
TimeoutStartSec=1800
TimeoutStopSec={stop}
WatchdogSec=30
Restart=on-failure
RestartSec=1
# A wrong setting: starting again would not mend it.
RestartPreventExitStatus=2
"""

_PROGRAM: Final = """\
{header}
{unit}
[Service]
Type=notify
NotifyAccess=main
ExecStartPre=+/bin/mkdir -p -m 0700 {directories}
ExecStart={python} -m hermes up
ExecReload=/bin/kill -HUP $MAINPID
{life}{environment}
RuntimeDirectory=hermes
RuntimeDirectoryMode=0700
# The podman and broker sockets are in it.
RuntimeDirectoryPreserve=yes

# What follows is judged by: systemd-analyze security. A user's systemd can do it because of
# PrivateUsers=, in which nobody but the user exists.
PrivateUsers=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
UMask=0077
# Connections come from hermes.socket, everything else goes by files.
PrivateNetwork=yes
# New sockets are for podman, the broker and notifications; those of attackers come ready-made.
RestrictAddressFamilies=AF_UNIX
# Nothing of the host may be written to, and nothing of any home be seen, but what is named.
ProtectSystem=strict
ProtectHome=tmpfs
BindReadOnlyPaths=-{venv} -{config}{userdb}
BindPaths={bound} {runtime}
# Where readiness and the watchdog are told.
BindPaths=-%t/systemd/notify
PrivateTmp=yes
PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Left open, each for a reason:
# - User=, DynamicUser=, IPAddressDeny=, DeviceAllow=: not for a user's systemd to give.
# - RootDirectory=: the interpreter and its libraries are the host's.
# - ProtectProc=, ProcSubset=: it looks at the processes and cgroups of sandboxes, and at /proc/sys.
# - MemoryDenyWriteExecute=: Python's foreign function interface makes code.
"""

_CONTAINER: Final = """\
{header}
{unit}
{quadlet}
[Container]
Image={image}
ContainerName=hermes
Notify=true
# Connections come from hermes.socket, whose descriptors podman hands on.
{options}
{environment}
# podman hands on where notifications go, but not how often they are due.
Environment=WATCHDOG_USEC=30000000

[Service]
NotifyAccess=all
# The main process is podman's monitor, which hands on no SIGHUP.
ExecReload=/usr/bin/podman kill --signal=HUP hermes
{life}"""

_VOLUME: Final = """\
{header}# The evidence and the host keys, when Hermes runs as a container.

[Unit]
Description=Evidence of Hermes
{quadlet}
[Volume]
{options}
"""


def socket_unit(settings: Settings) -> str:
    """Compose ``hermes.socket``; SettingsError for what no socket unit can listen on."""
    if settings.ssh.port == 0:
        raise SettingsError("HERMES_SSH__PORT is 0, and a socket unit needs a port: choose one")
    addresses = [_address(host, settings.ssh.port) for host in settings.ssh.host]
    return _SOCKET.format(header=HEADER, addresses=pairs("ListenStream", addresses))


def program(settings: Settings, places: Places) -> str:
    """Compose ``hermes.service``."""
    userdb = assignments.userdb_directory(settings, places)
    directories = _directories(settings, places)
    return _PROGRAM.format(
        header=HEADER,
        unit=_unit(settings),
        directories=" ".join(directories),
        python=places.python,
        life=_life(settings),
        environment=pairs("Environment", assignments.of_program(settings, places)),
        venv=places.environment,
        config=CONFIG,
        userdb="" if userdb is None else f" -{userdb}",
        bound=" ".join(directories),
        runtime=RUNTIME,
    )


def container(settings: Settings, places: Places, version: Version) -> str:
    """Compose ``hermes.container``."""
    return _CONTAINER.format(
        header=for_podman(version),
        unit=_unit(settings),
        quadlet=without_network(version),
        image=IMAGE,
        options=lines(_service_options(settings, places), version),
        environment=pairs("Environment", assignments.of_container(settings, places)),
        life=_life(settings),
    )


def volume(version: Version) -> str:
    """Compose ``hermes-evidence.volume``."""
    # Before the key came its name was systemd-hermes-evidence.
    options = f"VolumeName={VOLUME}" if version >= (4, 7) else "Label=hermes=evidence"
    return _VOLUME.format(
        header=for_podman(version), quadlet=without_network(version), options=options
    )


def shut_in(*capabilities: str) -> list[Option]:
    """Take everything from a container of Hermes' own but the capabilities named."""
    return [
        Option("--network=none", "Network", "none"),
        Option("--pull=never", "Pull", "never"),
        Option("--read-only", "ReadOnly", "true"),
        Option("--cap-drop=all", "DropCapability", "all"),
        *(Option(f"--cap-add={one}", "AddCapability", one) for one in capabilities),
        Option("--security-opt=no-new-privileges", "NoNewPrivileges", "true"),
        # The sockets of podman and the broker have the labels of the user's own files.
        Option("--security-opt=label=disable", "SecurityLabelDisable", "true"),
        Option("--log-driver=passthrough", "LogDriver", "passthrough"),
    ]


def shared(path: str, at: str = "", how: str = "rw") -> Option:
    """Mount a directory, at the same path unless another is given."""
    text = f"{path}:{at or path}:{how}"
    return Option(f"--volume={text}", "Volume", text)


def _service_options(settings: Settings, places: Places) -> list[Option]:
    userdb = assignments.userdb_directory(settings, places)
    stop = str(_stop_seconds(settings))
    return [
        *shut_in(),
        Option("--userns=keep-id:uid=990,gid=990", "UserNS", "keep-id:uid=990,gid=990"),
        # What the probe reads of a sandbox from outside: whom it is mapped to, and its limits.
        Option("--pid=host"),
        shared("/sys/fs/cgroup", how="ro"),
        shared(RUNTIME),
        shared(CONFIG, how="ro"),
        shared(f"{VOLUME}.volume", assignments.STATE),
        *(() if userdb is None else (shared(userdb, how="ro"),)),
        Option(f"--stop-timeout={stop}", "StopTimeout", stop),
    ]


def _unit(settings: Settings) -> str:
    return _UNIT.format(members=" ".join(members(settings)))


def _life(settings: Settings) -> str:
    return _LIFE.format(stop=_stop_seconds(settings) + _KILL_SECONDS)


def _stop_seconds(settings: Settings) -> int:
    """Time to drain and to take what visitors left."""
    return int(settings.limits.drain_seconds) + _HARVEST_SECONDS


def _directories(settings: Settings, places: Places) -> list[str]:
    wanted = (settings.evidence.dir, settings.ssh.host_key_dir)
    return [places.specify(path) for path in wanted]


def _address(host: str, port: int) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise SettingsError(
            f"HERMES_SSH__HOST has {host}, and a socket unit needs an address: write it in digits"
        ) from error
    return f"[{address}]:{port}" if address.version == _IPV6 else f"{address}:{port}"
