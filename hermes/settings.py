"""Every ``HERMES_*`` setting: its type, default, range and one-line meaning.

Names nest with a double underscore (``HERMES_POOL__SIZE``). The environment wins over
the file, options win over both; `hermes.settings_source` reads them.
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "HERMES_"
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(value: object) -> object:
    """Bytes from ``256m`` as podman reads it: binary multiples, no unit means bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", value.strip().lower())
    if match is None:
        raise ValueError("should be a size such as 512k, 256m or 10g")
    return int(float(match[1]) * _UNITS[match[2]])


def _split_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _parse_startups(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+):(\d+):(\d+)", value.strip())
    if match is None:
        raise ValueError("should be start:rate:full such as 10:30:100, as sshd's MaxStartups")
    return tuple(int(part) for part in match.groups())


def _parse_networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(
            ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()
        )
    except ValueError as error:
        raise ValueError(
            f"should be networks such as 192.0.2.0/24, with commas: {error}"
        ) from error


def _empty_is_unset(value: object) -> object:
    return None if value == "" else value


def _expand(value: object) -> object:
    """``~`` and ``$XDG_RUNTIME_DIR``, which is /run/user/UID where nothing sets it."""
    if value is None or value == "":
        return None
    path = Path(str(value).replace("$XDG_RUNTIME_DIR", str(runtime_directory())))
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"should be a path, and {path.parts[0]} is nobody's home") from error


def runtime_directory() -> Path:
    """Return what ``$XDG_RUNTIME_DIR`` in a setting stands for."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")


Size = Annotated[int, BeforeValidator(parse_size)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
Startups = Annotated[tuple[int, int, int], NoDecode, BeforeValidator(_parse_startups)]
Directory = Annotated[Path, BeforeValidator(_expand)]
File = Annotated[Path | None, BeforeValidator(_expand)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_parse_networks)]
Capability = Annotated[str, Field(pattern=r"^[A-Z_]+$")]
Capabilities = Annotated[tuple[Capability, ...], NoDecode, BeforeValidator(_split_commas)]
_HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
_Banner = Annotated[
    str, Field(pattern=r"^SSH-2\.0-[\x21-\x2c\x2e-\x7e]+( [\x20-\x7e]+)?$", max_length=253)
]
_Port = Annotated[int, Field(ge=1, le=65535)]
Port = Annotated[_Port | None, BeforeValidator(_empty_is_unset)]
HostName = Annotated[_HostName | None, BeforeValidator(_empty_is_unset)]
Banner = Annotated[_Banner | None, BeforeValidator(_empty_is_unset)]


class Group(BaseModel):
    """What settings that share a prefix have in common: frozen, and no unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class SshSettings(Group):
    """Where the listener is and what it says it is."""

    host: Names = Field(("127.0.0.1",), description="addresses to listen on, with commas; IPv6 too")
    port: int = Field(2222, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one")
    public_port: Port = Field(
        None, description="port in SSH_CONNECTION, if redirected here; empty: the one listened on"
    )
    proxy_protocol: Networks = Field(
        (), description="networks of proxies whose PROXY header is believed, with commas"
    )
    banner: Banner = Field(
        None, description="identification line; empty: that of the decoy's OpenSSH"
    )
    host_key_dir: Directory = Field(
        Path("~/.local/share/hermes/host_keys"),
        description="directory of the host keys, made at the first start",
    )


class AuthSettings(Group):
    """Who is let in."""

    userdb: File = Field(
        None, description="file of user:x:password lines; empty: userdb.txt beside hermes.env"
    )
    accept_after_failures: int = Field(
        3, ge=0, le=1000, description="let a visitor in at the failure after this many; 0 is never"
    )
    failure_delay_seconds: float = Field(
        2, ge=0, le=30, description="how long a wrong password takes, as with PAM"
    )
    max_tries: int = Field(6, ge=1, le=100, description="failures in one connection before its end")


class PoolSettings(Group):
    """How many sandboxes there are."""

    size: int = Field(3, ge=1, le=100, description="sandboxes kept warm")
    max: int = Field(20, ge=1, le=200, description="most sandboxes at a time, in every state")
    linger_seconds: float = Field(
        900, ge=0, le=86400, description="how long a visitor who left finds his sandbox again"
    )
    spawn_timeout_seconds: float = Field(
        30, ge=1, le=600, description="longest wait for a sandbox, also for one to start"
    )
    supervisor: Literal["hermes", "systemd"] = Field(
        "hermes", description="who keeps sandboxes warm: hermes, or units of systemd"
    )


class SandboxSettings(Group):
    """What one sandbox is made of and may use."""

    image: str = Field(
        "localhost/hermes-decoy:latest", min_length=1, description="decoy image of every sandbox"
    )
    hostname: HostName = Field(None, description="host name inside; empty: that of the decoy")
    memory: Size = Field(
        256 << 20, ge=16 << 20, description="memory, swap included, such as 256m or 1g"
    )
    cpus: float = Field(0.5, ge=0.05, le=64, description="share of CPUs")
    pids: int = Field(100, ge=10, le=10000, description="most processes")
    tmpfs_size: Size = Field(50 << 20, ge=1 << 20, description="size of /tmp")
    disk: Size = Field(
        1 << 30, ge=1 << 20, description="most that a visitor may write to disk, such as 1g"
    )
    capabilities: Capabilities = Field(
        ("CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL"),
        description="capabilities kept, with commas; SECURITY.md justifies each",
    )
    read_only: bool = Field(default=False, description="make the root file system read-only")
    require_limits: bool = Field(
        default=True, description="refuse to listen beyond loopback when limits are not enforced"
    )


class LimitSettings(Group):
    """How long and how often attackers may come."""

    login_grace_seconds: float = Field(120, ge=1, le=3600, description="time to log in")
    idle_seconds: float = Field(300, ge=1, le=86400, description="silence that ends a session")
    session_seconds: float = Field(3600, ge=60, le=604800, description="longest session")
    drain_seconds: float = Field(5, ge=0, le=300, description="time sessions get when stopping")
    sessions: int = Field(200, ge=1, le=10000, description="most connections at a time")
    sessions_per_visitor: int = Field(
        10, ge=1, le=10000, description="most connections of one address (IPv6: /64) at a time"
    )
    channels_per_session: int = Field(10, ge=1, le=1000, description="as sshd's MaxSessions")
    startups: Startups = Field(
        (10, 30, 100), description="connections not logged in yet, as sshd's MaxStartups"
    )


class EvidenceSettings(Group):
    """Where evidence is kept, and how much of it."""

    dir: Directory = Field(
        Path("~/.local/share/hermes/evidence"), description="directory of the evidence"
    )
    session_max_bytes: Size = Field(
        64 << 20, ge=1 << 20, description="most bytes recorded of one session"
    )


class PodmanSettings(Group):
    """How podman is reached."""

    socket: File = Field(
        None, description="socket of a podman API service; empty: hermes runs its own"
    )
    broker: File = Field(
        None, description="socket of a broker that is a service; empty: hermes runs its own"
    )


class LogSettings(Group):
    """What is logged on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    format: Literal["text", "json"] = Field("text", description="text or json")


class Settings(BaseSettings):
    """All settings, validated together; built by `hermes.settings_source.load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    ssh: SshSettings = SshSettings()
    auth: AuthSettings = AuthSettings()
    pool: PoolSettings = PoolSettings()
    sandbox: SandboxSettings = SandboxSettings()
    limits: LimitSettings = LimitSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    podman: PodmanSettings = PodmanSettings()
    log: LogSettings = LogSettings()
    sensor: str = Field(
        "hermes", min_length=1, max_length=64, description="name of this sensor, on every event"
    )
    runtime_dir: Directory = Field(
        Path("$XDG_RUNTIME_DIR/hermes"), description="directory of the control and podman sockets"
    )

    @model_validator(mode="after")
    def _pool_holds_its_target(self) -> "Settings":
        if self.pool.size > self.pool.max:
            raise ValueError(
                f"HERMES_POOL__SIZE ({self.pool.size}) should not exceed "
                f"HERMES_POOL__MAX ({self.pool.max})"
            )
        return self
