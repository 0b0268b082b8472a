"""When a connection is one too many, and when it has lasted too long. Pure."""

from dataclasses import dataclass

from hermes.settings import LimitSettings


@dataclass(frozen=True)
class Startups:
    """sshd's MaxStartups (sshd_config(5)), for connections that are not logged in yet.

    None is refused below ``start``, all are at ``full``, and ``rate`` per cent and up between.
    """

    start: int
    rate: int
    full: int

    def refuses(self, waiting: int, chance: float) -> bool:
        """Whether the next of ``waiting`` connections is dropped; ``chance`` is in [0, 1)."""
        if waiting < self.start:
            return False
        if waiting >= self.full:
            return True
        span = max(1, self.full - self.start)
        per_cent = self.rate + (100 - self.rate) * (waiting - self.start) / span
        return chance * 100 < per_cent


def overdue(
    limits: LimitSettings, *, logged_in: bool, age_seconds: float, idle_seconds: float
) -> str | None:
    """Name the limit that a session of this age and idleness has reached, if any."""
    if not logged_in and age_seconds > limits.login_grace_seconds:
        return "login grace time over"
    if age_seconds > limits.session_seconds:
        return "session time over"
    if logged_in and idle_seconds > limits.idle_seconds:
        return "idle"
    return None
