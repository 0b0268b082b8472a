"""How a build shows itself: a bar on a terminal, a line for each stage anywhere else."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from hermes.image import Report

log = logging.getLogger(__name__)

_DONE: Final = 1.0


@contextmanager
def shown(console: Console, what: str = "decoy image") -> Iterator[Report]:
    """Yield the report to give to a build.

    Nothing is shown before a build reports; its bar is gone when it or the context ends.
    """
    if not console.is_terminal:
        yield StageLines(what)
        return
    bar = _Bar(console, what)
    try:
        yield bar
    finally:
        bar.stop()


class StageLines:
    """Logs every stage once."""

    def __init__(self, what: str = "decoy image") -> None:
        self._what = what
        self._stage = ""

    def __call__(self, stage: str, fraction: float | None) -> None:
        """Log when the stage is a new one."""
        if stage == self._stage:
            return
        self._stage = stage
        if fraction is None:
            log.info("%s: %s", self._what, stage)
        else:
            log.info("%s: %s (%d %%)", self._what, stage, round(100 * fraction))


class _Bar:
    def __init__(self, console: Console, what: str) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn(f"{what}: {{task.description}}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __call__(self, stage: str, fraction: float | None) -> None:
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task(stage, total=_DONE)
        total = None if fraction is None else _DONE
        self._progress.update(self._task, description=stage, completed=fraction, total=total)
        if fraction == _DONE:
            self.stop()

    def stop(self) -> None:
        """Take the bar off the screen; idempotent."""
        if self._task is not None:
            self._progress.stop()
