"""What must be right before anything slow starts: sockets and userdb."""

import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from hermes.settings import AuthSettings, SshSettings
from hermes.ssh.policy import PasswordPolicy, read_userdb
from hermes.ssh.sockets import address_of, bind

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Door:
    """Bound and read, not open yet; `close` gives the sockets back."""

    sockets: list[socket.socket]
    policy: PasswordPolicy

    @property
    def hosts(self) -> list[str]:
        """The addresses that the sockets have, without their ports."""
        return [str(bound.getsockname()[0]) for bound in self.sockets]

    def close(self) -> None:
        """Close the sockets; idempotent."""
        for bound in self.sockets:
            bound.close()


def prepare(ssh: SshSettings, auth: AuthSettings, passed: Sequence[socket.socket] = ()) -> Door:
    """Bind and read what a listener needs; blocks, off the loop.

    Sockets that were ``passed``, listening already, stand in for those of the settings.

    Raises ListenError, and SettingsError for the userdb.
    """
    policy = PasswordPolicy(read_userdb(auth.userdb), auth.accept_after_failures)
    if passed:
        found = ", ".join(map(address_of, passed))
        log.info("systemd listens on %s: HERMES_SSH__HOST and HERMES_SSH__PORT do not count", found)
    return Door(list(passed) or bind(ssh.host, ssh.port), policy)
