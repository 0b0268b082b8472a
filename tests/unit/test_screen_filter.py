"""Replayed output reaches the screen and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.evidence.screen_filter import ScreenFilter
from hermes.text import printable

SAFE = [
    "plain\r\n\ttext\b",
    "\x1b[1;31mred\x1b[0m",
    "\x1b[2J\x1b[10;20H\x1b[K",
    "\x1b[?1049h\x1b[?25l\x1b[?1049;25l",
    "\x1b7\x1b8\x1bM\x1b(B\x1b(0",
    "ä€😀",
]
REMOVED = [
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x1b\\",
    '\x1bP$q"p\x1b\\',
    "\x1b^private\x1b\\",
    "\x1b_application\x07",
    "\x1b[c",
    "\x1b[6n",
    "\x1b[8;50;100t",
    "\x1b[5i",
    "\x1b[?1000h",
    "\x1b[?2004h",
    "\x1b[>4;1m",
    "\x1b[!p",
    "\x1b#8",
    "\x1b(Z",
    "\x05\x07\x0e\x00\x7f",
    "\x9b6n\x9d0;t",
]


@pytest.mark.parametrize("text", SAFE)
def test_what_draws_on_the_screen_stays(text: str) -> None:
    """Colours, movement, erasing and the alternate screen pass as they are."""
    assert ScreenFilter().feed(text) == text


@pytest.mark.parametrize("text", REMOVED)
def test_what_reaches_outside_is_removed(text: str) -> None:
    """Titles, clipboard, queries, printing, resizing, mouse and keyboard modes go."""
    shown = ScreenFilter().feed(f"a{text}b")
    assert shown.startswith("a")
    assert shown.endswith("b")
    assert "\x1b" not in shown


@pytest.mark.parametrize("text", SAFE + REMOVED)
def test_sequences_may_come_in_pieces(text: str) -> None:
    """One character at a time gives the same as all at once."""
    whole, pieces = ScreenFilter(), ScreenFilter()
    assert "".join(pieces.feed(character) for character in f"{text}end") == whole.feed(f"{text}end")


@given(st.lists(st.text(alphabet="\x1b[]P\\;?0123456789hlmnctqJH\x07\x9c ab", max_size=30)))
def test_nothing_that_asks_the_terminal_ever_passes(parts: list[str]) -> None:
    """Whatever is fed, in whatever pieces, no query and no string to the terminal comes out."""
    screen = ScreenFilter()
    shown = "".join(screen.feed(part) for part in parts)
    for rest in shown.split("\x1b")[1:]:
        assert rest[0] in "[7DEMHcNOZ=>8()"
    assert "\x07" not in shown


def test_an_endless_sequence_is_not_held_for_ever() -> None:
    """Memory is bounded by the longest sequence there is."""
    screen = ScreenFilter()
    shown = screen.feed("\x1b[" + "1;" * 1000)
    assert len(shown) > 1000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("ä\u202e", "ä\\u202e"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_a_line_shows_only_what_is_printable(text: str, shown: str) -> None:
    """Control and direction characters are escaped, and the line is shortened."""
    assert printable(text) == shown
