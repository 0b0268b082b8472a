"""OpenSSH's client with a password, and nothing of this machine's own configuration."""

import os
from typing import Final

from tests.benchmark.client import Target

_SECONDS: Final = 120
_OPTIONS: Final = (
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "PreferredAuthentications=password",
    f"ConnectTimeout={_SECONDS}",
)


def openssh_client(target: Target, *options: str, command: str | None = None) -> list[str]:
    """Compose the command line; it ends by itself after two minutes."""
    flags = [flag for option in _OPTIONS for flag in ("-o", option)]
    login = ["-F", "none", *flags, *options, "-p", str(target.port), f"{target.user}@127.0.0.1"]
    last = [] if command is None else [command]
    return ["timeout", str(_SECONDS), "sshpass", "-e", "ssh", *login, *last]


def password_of(target: Target) -> dict[str, str]:
    """Return the environment in which the client finds the password."""
    return os.environ | {"SSHPASS": target.password}
