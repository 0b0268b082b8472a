"""How the pool is drawn: states in their colours, ages in few letters."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

_STYLES: Final = {
    "starting": "cyan",
    "warm": "green",
    "leased": "bold yellow",
    "lingering": "magenta",
    "harvesting": "blue",
    "gone": "dim",
}
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_LONGEST_IN_SECONDS: Final = 2 * _MINUTE
_LONGEST_IN_MINUTES: Final = 2 * _HOUR

Pool = Mapping[str, Any]
"""What the control socket answers to ``pool``."""


def state_text(state: str) -> Text:
    """Return a state in its colour."""
    return Text(state, _STYLES.get(state, ""))


def age_text(seconds: float) -> str:
    """Return an age in the unit that tells it best."""
    if seconds < _LONGEST_IN_SECONDS:
        return f"{seconds:.0f} s"
    if seconds < _LONGEST_IN_MINUTES:
        return f"{seconds // _MINUTE:.0f} min"
    return f"{seconds // _HOUR:.0f} h"


def counts(*, warm: int, target: int, leased: int, lingering: int) -> str:
    """Say how the pool is."""
    return f"{warm} of {target} warm, {leased} leased, {lingering} lingering"


def summary(pool: Pool) -> str:
    """Say in one line how the pool is, and how far it may grow."""
    names = ("warm", "target", "leased", "lingering")
    said = counts(**{name: pool[name] for name in names})
    return f"{said}, {pool['starting']} starting, at most {pool['max']}"


def table(pool: Pool) -> Table:
    """Draw a row for each sandbox below the summary."""
    caption = None if pool["limits_enforced"] else "limits are not enforced on this host"
    drawn = Table(title=summary(pool), caption=caption)
    for heading in ("sandbox", "state", "age", "session", "visitor"):
        drawn.add_column(heading, no_wrap=True, justify="right" if heading == "age" else "left")
    for box in _rows(pool):
        drawn.add_row(
            box["name"],
            state_text(box["state"]),
            age_text(box["age_seconds"]),
            box["session"] or "",
            box["visitor"] or "",
        )
    return drawn


def _rows(pool: Pool) -> Iterable[Mapping[str, Any]]:
    rows: Iterable[Mapping[str, Any]] = pool["sandboxes"]
    return rows


def without_ages(pool: Pool) -> dict[str, Any]:
    """Leave out what changes when nothing happens."""
    rows = [{name: box[name] for name in box if name != "age_seconds"} for box in _rows(pool)]
    return {**pool, "sandboxes": rows}
