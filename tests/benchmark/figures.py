"""What is measured, what it must reach, and the table that says so. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from rich.table import Table

SERVERS: Final = ("hermes", "sshd")
_CAPTION: Final = "medians; of CPU, and of what was got and recorded, the least"


@dataclass(frozen=True)
class Figure:
    """One row: samples by server, their value, and what that or its ratio to sshd's must be."""

    name: str
    digits: int = 1
    of: Callable[[Sequence[float]], float] = median
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, server: str, sample: float) -> None:
        """Keep one measurement."""
        self.samples.setdefault(server, []).append(sample)

    def value(self, server: str) -> float | None:
        """Make one number of a server's samples."""
        samples = self.samples.get(server)
        return self.of(samples) if samples else None

    @property
    def ratio(self) -> float | None:
        """Hermes' value to sshd's."""
        ours, theirs = map(self.value, SERVERS)
        return ours / theirs if ours is not None and theirs else None

    @property
    def must(self) -> str:
        """What is asked, in words; empty when nothing is."""
        if self.ratio_at_most is not None:
            return f"ratio ≤ {self.ratio_at_most:g}"
        if self.ratio_at_least is not None:
            return f"ratio ≥ {self.ratio_at_least:g}"
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else ""

    @property
    def reached(self) -> bool:
        """Whether it is what it must be; what was not measured is not."""
        ours, ratio = self.value("hermes"), self.ratio
        return _within(ratio, self.ratio_at_least, self.ratio_at_most) and _within(
            ours, self.at_least, self.at_most
        )

    def to_json(self) -> dict[str, Any]:
        """Lay out the raw samples with what was made of them."""
        return {
            "figure": self.name,
            "must": self.must,
            "reached": self.reached,
            "ratio": self.ratio,
            "value": {server: self.value(server) for server in SERVERS},
            "samples": self.samples,
        }


def _within(value: float | None, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    if value is None:
        return False
    return (least is None or value >= least) and (most is None or value <= most)


def table(figures: Iterable[Figure]) -> Table:
    """Compose the report."""
    report = Table("figure", title="hermes beside sshd", caption=_CAPTION)
    for heading in (*SERVERS, "ratio"):
        report.add_column(heading, justify="right")
    report.add_column("must be")
    report.add_column("reached")
    for figure in figures:
        values = [_number(figure.value(server), figure.digits) for server in SERVERS]
        verdict = "[green]yes" if figure.reached else "[red]no"
        report.add_row(
            figure.name,
            *values,
            _number(figure.ratio, 2),
            figure.must,
            verdict if figure.must else "",
        )
    return report


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
