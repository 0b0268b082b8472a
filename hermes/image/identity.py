"""Who a decoy is. Its seed decides everything else that tells it from another one."""

import json
import random
import secrets
from dataclasses import dataclass
from typing import Final, Self

LABEL: Final = "hermes.decoy"
"""On every decoy image; outside of it, so nothing in a sandbox shows it."""

_ROLES: Final = ("web", "www", "app", "srv-web", "shop", "front", "site", "intra")
_STAGES: Final = ("", "-prod", "-live", "-eu", "-int")


@dataclass(frozen=True)
class Identity:
    """What a sandbox's network and host name must agree with."""

    hostname: str
    address: str

    def label(self) -> str:
        """Return the value of the image's label."""
        return json.dumps({"address": self.address, "hostname": self.hostname})

    @classmethod
    def from_label(cls, value: str) -> Self | None:
        """Read a label back; None for one that was not written here."""
        try:
            fields = json.loads(value)
            return cls(hostname=str(fields["hostname"]), address=str(fields["address"]))
        except (ValueError, TypeError, KeyError):
            return None


def new_seed() -> str:
    """Return 128 bits that no other decoy has."""
    return secrets.token_hex(16)


def draw(seed: str, hostname: str | None = None) -> Identity:
    """Return the identity of a seed: an unremarkable host name and a private address."""
    dice = random.Random(seed)  # noqa: S311 -- names, not secrets
    name = f"{dice.choice(_ROLES)}{dice.choice(_STAGES)}-{dice.randint(1, 9):02d}"
    address = f"10.{dice.randint(8, 250)}.{dice.randint(1, 250)}.{dice.randint(10, 99)}"
    return Identity(hostname=hostname or name, address=address)
