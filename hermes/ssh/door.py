"""What must be right before anything slow starts: sockets, host keys, userdb."""

import socket
from dataclasses import dataclass

import asyncssh

from hermes.settings import AuthSettings, SshSettings
from hermes.ssh.host_keys import load_host_keys
from hermes.ssh.policy import PasswordPolicy, read_userdb
from hermes.ssh.sockets import bind


@dataclass(frozen=True)
class Door:
    """Bound and read, not open yet; `close` gives the sockets back."""

    sockets: list[socket.socket]
    host_keys: list[asyncssh.SSHKey]
    policy: PasswordPolicy

    def close(self) -> None:
        """Close the sockets; idempotent."""
        for bound in self.sockets:
            bound.close()


def prepare(ssh: SshSettings, auth: AuthSettings) -> Door:
    """Bind, read and make what a listener needs; blocks, off the loop.

    Raises ListenError, SettingsError for the userdb, EvidenceError for the host keys.
    """
    policy = PasswordPolicy(read_userdb(auth.userdb), auth.accept_after_failures)
    keys = load_host_keys(ssh.host_key_dir)
    return Door(bind(ssh.host, ssh.port), keys, policy)
