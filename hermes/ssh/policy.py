"""Whether a password lets in: the userdb, then failures counted for each visitor."""

import ipaddress
import re
from collections import OrderedDict
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from hermes.errors import SettingsError
from hermes.ssh.userdb import UserDb, parse_userdb

_REMEMBERED_VISITORS: Final = 10_000
# What Debian's useradd takes, less what would need quoting somewhere.
_ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}\$?")


@dataclass(frozen=True)
class Decision:
    """Let in or not, and the rule that said so."""

    accepted: bool
    reason: str


class PasswordPolicy:
    """The userdb in force and the failures of the visitors seen lately."""

    def __init__(self, userdb: UserDb, accept_after_failures: int) -> None:
        self.userdb = userdb
        self._accept_after = accept_after_failures
        self._failures: OrderedDict[str, int] = OrderedDict()

    def decide(self, visitor: str, user: str, password: str) -> Decision:
        """Judge one attempt and remember it when it fails."""
        if _ACCOUNT_NAME.fullmatch(user) is None:
            return self._settle(visitor, Decision(accepted=False, reason="no such account can be"))
        by_rule = self.userdb.decide(user, password)
        if by_rule is not None:
            return self._settle(visitor, Decision(by_rule, "userdb"))
        failures = self._failures.get(visitor, 0)
        if self._accept_after and failures >= self._accept_after:
            return Decision(accepted=True, reason=f"accepted after {failures} failures")
        return self._settle(visitor, Decision(accepted=False, reason="no rule"))

    def _settle(self, visitor: str, decision: Decision) -> Decision:
        if not decision.accepted:
            self._failures[visitor] = self._failures.pop(visitor, 0) + 1
            while len(self._failures) > _REMEMBERED_VISITORS:
                self._failures.popitem(last=False)
        return decision


def visitor_of(address: str) -> str:
    """Name who it is, for policy: an IPv4 address, or the /64 of an IPv6 one."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def read_userdb(path: Path | None) -> UserDb:
    """Read a userdb file, or the one that comes with Hermes; raises SettingsError."""
    if path is None:
        text = resources.files("hermes").joinpath("data/userdb.txt").read_text()
        return parse_userdb(text, "the built-in userdb")
    try:
        return parse_userdb(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}; check HERMES_AUTH__USERDB") from error
