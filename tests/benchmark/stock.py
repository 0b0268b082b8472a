"""What only a honeypot has: a pool that is filled, and filled again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter, sleep
from typing import Final

from tests.benchmark.client import BenchmarkError, logged_in, open_shell, seconds_to_prompt
from tests.benchmark.honeypot import Honeypot
from tests.benchmark.measures import new_source
from tests.benchmark.servers import wait_until

FULL: Final = 50
_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.005

StartFull = Callable[[], AbstractContextManager[Honeypot]]


def seconds_to_full(start: StartFull) -> tuple[float, float]:
    """Measure to fifty warm sandboxes, from the first of them and from the program's start."""
    begun = perf_counter()
    with start() as hermes:
        wait_until(lambda: int(hermes.pool()["warm"]) >= FULL, _SECONDS, f"{FULL} warm sandboxes")
        whole = perf_counter() - begun
        return max(box["age_seconds"] for box in hermes.pool()["sandboxes"]), whole


def seconds_to_refill(hermes: Honeypot) -> float:
    """Measure from a new visitor's prompt to a pool that is whole again."""
    hermes.settle()
    with logged_in(hermes.target, new_source()) as session:
        _shell = open_shell(session)
        begun = perf_counter()
        while (pool := hermes.pool())["warm"] < pool["target"]:
            if perf_counter() - begun > _SECONDS:
                raise BenchmarkError("the pool was not refilled")
            sleep(_POLL_SECONDS)
        return perf_counter() - begun


def seconds_to_prompt_without_refill(hermes: Honeypot) -> float:
    """Measure a login of a visitor who has his sandbox already, so that none need be made."""
    hermes.settle()
    source = new_source()
    with logged_in(hermes.target, source) as session:
        _shell = open_shell(session)
        hermes.settle(1)
        return seconds_to_prompt(hermes.target, source)
