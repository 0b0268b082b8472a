"""What ``hermes pool status`` tells of the pool."""

from dataclasses import dataclass

from hermes.sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class SandboxStatus:
    """One row of the pool's status."""

    id: str
    name: str
    state: str
    age_seconds: float
    session: str | None
    visitor: str | None
    supervised: bool


@dataclass(frozen=True)
class PoolStatus:
    """The pool at one moment, as ``hermes pool status --json`` prints it."""

    target: int
    warm: int
    leased: int
    lingering: int
    starting: int
    max: int
    limits_enforced: bool
    sandboxes: tuple[SandboxStatus, ...]


def row(box: Sandbox) -> SandboxStatus:
    """Describe one sandbox; its session is the latest of those that are open."""
    order = list(box.visit.sessions) if box.visit else []
    return SandboxStatus(
        id=box.name,
        name=box.name,
        state=box.state,
        age_seconds=round(box.age_seconds, 1),
        session=next((name for name in reversed(order) if name in box.present), None),
        visitor=box.visit.visitor if box.visit else None,
        supervised=box.supervised,
    )
