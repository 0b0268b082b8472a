"""``hermes pool recycle``: follows the replacement of the warm sandboxes to its end."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hermes.cli.pool_table import Pool
from hermes.errors import ControlError

_POLL_SECONDS: Final = 0.1
_TAKEN: Final = frozenset({"leased", "lingering"})

Ask = Callable[[str], Any]


@dataclass(frozen=True)
class Progress:
    """How far it is: old sandboxes by what became of them, and whether the pool is whole."""

    replaced: tuple[str, ...]
    taken: tuple[str, ...]
    """Visitors came first: these end with their visits."""
    left: tuple[str, ...]
    warm: int
    target: int

    @property
    def done(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self.left and self.warm >= self.target


def progress(old: Iterable[str], pool: Pool) -> Progress:
    """Compare the sandboxes that were to go with those that there are."""
    states = {box["name"]: box["state"] for box in pool["sandboxes"]}
    names = tuple(old)
    return Progress(
        replaced=tuple(name for name in names if name not in states),
        taken=tuple(name for name in names if states.get(name) in _TAKEN),
        left=tuple(name for name in names if name in states and states[name] not in _TAKEN),
        warm=pool["warm"],
        target=pool["target"],
    )


def recycle(ask: Ask, seconds_each: float) -> Iterator[Progress]:
    """Begin, and yield the progress until it is done; raises ControlError when it gets stuck."""
    old = ask("recycle")
    if old is None:
        raise ControlError("the running hermes is too old to recycle its pool; restart it")
    deadline = time.monotonic() + seconds_each * (len(old) + 1)
    while True:
        now = progress(old, ask("pool"))
        yield now
        if now.done:
            return
        if time.monotonic() > deadline:
            raise ControlError(
                f"{len(now.left)} of {len(old)} sandboxes were not replaced in time and "
                f"{now.warm} of {now.target} are warm; see the log of 'hermes up'"
            )
        time.sleep(_POLL_SECONDS)
