"""The logins of one connection: each attempt judged, delayed and recorded."""

import asyncio
import random
from typing import Literal

from hermes.evidence import events as ev
from hermes.evidence.record import SessionRecord
from hermes.settings import AuthSettings
from hermes.ssh.policy import Decision, PasswordPolicy

_NO_KEYS = Decision(accepted=False, reason="no key is accepted")


class Logins:
    """Counts one connection's failures; `exhausted` says when sshd would hang up."""

    def __init__(
        self, record: SessionRecord, settings: AuthSettings, policy: PasswordPolicy, visitor: str
    ) -> None:
        self.succeeded = False
        self._record = record
        self._settings = settings
        self._policy = policy
        self._visitor = visitor
        self._failures = 0

    @property
    def exhausted(self) -> bool:
        """Whether there were as many failures as one connection may have."""
        return self._failures >= self._settings.max_tries

    async def password(self, user: str, password: str) -> bool:
        """Judge a password; a refusal takes about as long as PAM's."""
        decision = self._policy.decide(self._visitor, user, password)
        self._add("password", user, decision, password=password)
        if not decision.accepted:
            self._failures += 1
            await asyncio.sleep(self._settings.failure_delay_seconds * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret
        return decision.accepted

    def key(self, user: str, fingerprint: str) -> bool:
        """Refuse a key, and keep its fingerprint."""
        self._failures += 1
        self._add("publickey", user, _NO_KEYS, fingerprint=fingerprint)
        return False

    def _add(
        self,
        method: Literal["password", "publickey"],
        user: str,
        decision: Decision,
        *,
        password: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        self._record.add(
            ev.LoginAttempted(
                **self._record.stamp(),
                method=method,
                user=user,
                password=password,
                fingerprint=fingerprint,
                outcome="success" if decision.accepted else "failure",
                reason=decision.reason,
            )
        )
