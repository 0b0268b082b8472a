"""Connections that are not logged in yet: sshd's MaxStartups (sshd_config(5)). Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Startups:
    """Refuse none below ``start``, all at ``full``, and ``rate`` per cent and up between."""

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
