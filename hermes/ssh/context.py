"""What every session of one listener shares."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hermes.evidence.record import Desk
from hermes.guest import Lessor
from hermes.settings import AuthSettings, LimitSettings
from hermes.ssh.policy import PasswordPolicy

if TYPE_CHECKING:
    from hermes.ssh.session import Session


@dataclass(frozen=True)
class Context:
    """The rest of the house, as sessions see it; ``tasks`` owns what they start."""

    auth: AuthSettings
    limits: LimitSettings
    policy: PasswordPolicy
    desk: Desk
    lessor: Lessor
    tasks: asyncio.TaskGroup
    public_port: int | None = None
    sessions: "dict[str, Session]" = field(default_factory=dict)
    greeted: set[asyncio.Transport] = field(default_factory=set)
    """Connections of proxies that have not said yet whose they are."""

    def connections_of(self, visitor: str) -> int:
        """How many connections a visitor has."""
        return Counter(session.visitor for session in self.sessions.values())[visitor]

    def not_logged_in(self) -> int:
        """How many connections have not logged in yet."""
        waiting = sum(not session.logged_in for session in self.sessions.values())
        return waiting + len(self.greeted)
