"""What every test is held to."""

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    """Fail a test in whose event loop a session waits for a file, a lock or a program."""
    with blockbuster_ctx("hermes.ssh"):
        yield
