"""What to build."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from hermes.image import guest_init
from hermes.image.identity import LABEL, Identity, draw, new_seed

BOOTSTRAP: Final = "bootstrap"
DEFAULT_TAG: Final = "localhost/hermes-decoy:latest"


@dataclass(frozen=True)
class Recipe:
    """One decoy: its name, what it is made from and who it is."""

    tag: str
    base: str
    """`BOOTSTRAP`, or an image that podman has or can pull."""
    identity: Identity
    seed: str = field(repr=False)
    """Decides its keys and passwords, so it stays out of logs."""
    now: int
    """Seconds since the epoch: where its past ends."""

    @classmethod
    def fresh(cls, tag: str, base: str = BOOTSTRAP, hostname: str | None = None) -> Self:
        """Return a recipe whose result no other one resembles."""
        seed = new_seed()
        return cls(tag, base, draw(seed, hostname), seed, int(time.time()))

    def labels(self) -> dict[str, str]:
        """Return what the image says about itself, outside of it."""
        return {LABEL: self.identity.label(), guest_init.LABEL: guest_init.version()}

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yield what furnish.sh wants to know."""
        yield "SEED", self.seed
        yield "NOW", str(self.now)
        yield "DECOY_HOSTNAME", self.identity.hostname
        yield "DECOY_ADDRESS", self.identity.address
