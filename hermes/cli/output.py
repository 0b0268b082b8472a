"""Where commands print: as wide as the terminal, and never squeezed in a pipe."""

from typing import Final

from rich.console import Console

_PIPE_COLUMNS: Final = 200


def stdout() -> Console:
    """Return a console on standard output."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_COLUMNS)
