"""Text that an attacker chose, made safe to show on a line of its own. Pure."""

from typing import Final

_SHORTENED: Final = "…"


def printable(text: str, longest: int = 200) -> str:
    """Escape everything that is not printable, and shorten to ``longest`` characters."""
    shown = "".join(c if c.isprintable() else _escape(c) for c in text[: longest + 1])
    return shown if len(shown) <= longest else shown[: longest - 1] + _SHORTENED


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
