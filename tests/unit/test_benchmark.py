"""What the benchmark says has been reached."""

import os
import subprocess
import sys

import pytest

from tests.benchmark.figures import Figure


@pytest.mark.parametrize(
    ("asked", "ours", "theirs", "reached", "must"),
    [
        ({}, None, None, True, ""),
        ({"at_most": 5}, 5.0, None, True, "≤ 5"),
        ({"at_most": 5}, 5.1, None, False, "≤ 5"),
        ({"at_least": 1000}, 999.9, None, False, "≥ 1000"),
        ({"ratio_at_most": 1}, 2.0, 2.0, True, "ratio ≤ 1"),
        ({"ratio_at_most": 1}, 2.1, 2.0, False, "ratio ≤ 1"),
        ({"ratio_at_least": 0.45}, 45.0, 100.0, True, "ratio ≥ 0.45"),
        ({"ratio_at_least": 0.45}, 44.0, 100.0, False, "ratio ≥ 0.45"),
        ({"ratio_at_least": 0.45}, 44.0, None, False, "ratio ≥ 0.45"),
        ({"at_most": 5}, None, None, False, "≤ 5"),
    ],
)
def test_a_figure_is_held_against_what_it_must_be(
    asked: dict[str, float], ours: float | None, theirs: float | None, reached: bool, must: str
) -> None:
    """A bound counts for our value or for its ratio to theirs; what was not measured misses it."""
    figure = Figure("x", **asked)  # type: ignore[arg-type]
    for server, value in (("hermes", ours), ("sshd", theirs)):
        if value is not None:
            figure.add(server, value)
    assert (figure.reached, figure.must) == (reached, must)


_ORPHANAGE = """
import subprocess, time
from tests.benchmark.processes import adopt_orphans, bury
adopt_orphans()
before = bury(but=())
burn = "import time\\nwhile time.process_time() < 0.3: pass"
subprocess.run(["sh", "-c", f"python3 -c '{burn}' & exit"], check=True)
deadline = time.monotonic() + 20
while bury(but=()) - before < 0.3 and time.monotonic() < deadline:
    time.sleep(0.05)
print(bury(but=()) - before >= 0.3)
"""


def test_the_cpu_of_what_leaves_its_parent_is_counted() -> None:
    """A monitor that puts itself apart is adopted, and what it took is known at its end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", _ORPHANAGE],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "True\n"
