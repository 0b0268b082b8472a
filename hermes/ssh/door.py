"""What must be right before anything slow starts: sockets and userdb."""

import socket
from dataclasses import dataclass

from hermes.settings import AuthSettings, SshSettings
from hermes.ssh.policy import PasswordPolicy, read_userdb
from hermes.ssh.sockets import bind


@dataclass(frozen=True)
class Door:
    """Bound and read, not open yet; `close` gives the sockets back."""

    sockets: list[socket.socket]
    policy: PasswordPolicy

    def close(self) -> None:
        """Close the sockets; idempotent."""
        for bound in self.sockets:
            bound.close()


def prepare(ssh: SshSettings, auth: AuthSettings) -> Door:
    """Bind and read what a listener needs; blocks, off the loop.

    Raises ListenError, and SettingsError for the userdb.
    """
    policy = PasswordPolicy(read_userdb(auth.userdb), auth.accept_after_failures)
    return Door(bind(ssh.host, ssh.port), policy)
