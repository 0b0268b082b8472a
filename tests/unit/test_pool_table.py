"""What the commands say of the pool."""

import pytest

from hermes.cli.pool_table import Pool, age_text, state_text, summary, without_ages
from hermes.cli.recycling import progress
from hermes.sandbox.sandbox import State


def pool(**states: str) -> Pool:
    """A pool of two with sandboxes in these states."""
    boxes = [{"name": name, "state": state, "age_seconds": 1.5} for name, state in states.items()]
    count = list(states.values()).count
    return {
        "target": 2,
        "max": 9,
        "sandboxes": boxes,
        **{state: count(state) for state in ("warm", "leased", "lingering", "starting")},
    }


def test_the_summary_counts_every_state_that_holds_a_place() -> None:
    """A lingering sandbox is no leased one."""
    said = summary(pool(a="warm", b="leased", c="lingering", d="lingering", e="starting"))
    assert said == "1 of 2 warm, 1 leased, 2 lingering, 1 starting, at most 9"


def test_each_state_has_a_colour_of_its_own() -> None:
    """States can be told apart at a glance."""
    styles = [str(state_text(state).style) for state in State]
    assert len(set(styles)) == len(styles)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (121, "2 min"), (7199, "119 min"), (7201, "2 h")],
)
def test_an_age_is_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    """Nobody reads thousands of seconds."""
    assert age_text(seconds) == text


def test_growing_older_is_no_change() -> None:
    """Two looks at a pool at rest are equal, and a new state is a difference."""
    young, old = pool(a="warm"), pool(a="warm")
    old["sandboxes"][0]["age_seconds"] = 99
    assert without_ages(young) == without_ages(old)
    assert without_ages(young) != without_ages(pool(a="leased"))


def test_recycling_is_done_when_the_old_are_gone_and_the_pool_is_whole() -> None:
    """A sandbox that a visitor took meanwhile is not waited for."""
    assert progress("ab", pool(a="warm", b="warm")).left == ("a", "b")
    assert not progress("ab", pool(b="harvesting", c="warm", d="warm")).done
    assert not progress("ab", pool(c="warm")).done
    end = progress("ab", pool(b="lingering", c="warm", d="warm"))
    assert (end.replaced, end.taken, end.done) == (("a",), ("b",), True)
