"""What systemd is told, as it arrives on a datagram socket."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.systemd.notify import Notifier
from tests.manager import Manager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """One manager, on a path."""
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(manager: Manager) -> Iterator[Notifier]:
    """Tells that manager."""
    notifier = Notifier(manager.socket.getsockname())
    yield notifier
    notifier.close()


def test_readiness_reload_and_stop_are_told(notifier: Notifier, manager: Manager) -> None:
    """Each is one message, and a reload has its moment in microseconds."""
    notifier.ready()
    notifier.reloading()
    notifier.ready()
    notifier.stopping()
    ready, reloading, again, stopping = manager.messages()
    assert ready == again == {"READY": "1"}
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 1_000_000
    assert stopping == {"STOPPING": "1"}


def test_a_failure_is_one_line(notifier: Notifier, manager: Manager) -> None:
    """The sentence cannot end in the middle of the protocol, or add to it."""
    notifier.failed("a port\nREADY=1 is taken", 1)
    assert manager.messages() == [{"STATUS": "a port READY=1 is taken", "EXIT_STATUS": "1"}]


def test_an_abstract_socket_is_told() -> None:
    """An address that begins with @ is a name without a file."""
    name = f"hermes-test-{os.getpid()}"
    manager, notifier = Manager(f"\0{name}"), Notifier(f"@{name}")
    notifier.ready()
    assert manager.messages() == [{"READY": "1"}]
    notifier.close()
    manager.socket.close()


def test_what_systemd_passed_is_kept_from_children(manager: Manager) -> None:
    """The variables are gone from the environment, and the socket is used."""
    environment = {
        "NOTIFY_SOCKET": manager.socket.getsockname(),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/root",
    }
    notifier = Notifier.taken_from(environment)
    notifier.ready()
    assert environment == {"HOME": "/root"}
    assert manager.messages() == [{"READY": "1"}]
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 1.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, 10.0),
        ({"WATCHDOG_USEC": "600000000"}, 10.0),
        ({"WATCHDOG_USEC": "soon"}, 10.0),
        ({}, 10.0),
    ],
)
def test_the_watchdog_is_fed_at_a_third_of_its_time(
    environment: dict[str, str], seconds: float
) -> None:
    """And every 10 seconds where it is slow, not ours, or not told."""
    assert Notifier.taken_from(environment)._beat_seconds == seconds


async def test_life_is_told_by_the_loop(manager: Manager) -> None:
    """While it runs it feeds the watchdog, and while it starts it asks for more time."""
    notifier = Notifier(manager.socket.getsockname(), 0.05)
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(notifier.beat(lambda: "warming"))
        await asyncio.sleep(0.3)
        starting = manager.messages()
        notifier.ready()
        await asyncio.sleep(0.15)
        serving = manager.messages()
        beating.cancel()
    notifier.close()
    assert starting[0] == {"STATUS": "warming"}
    assert len(starting) >= 3
    assert all(m["WATCHDOG"] == "1" and "EXTEND_TIMEOUT_USEC" in m for m in starting[1:])
    assert serving[0] == {"READY": "1"}
    assert serving[1:]
    assert all(message == {"WATCHDOG": "1"} for message in serving[1:])


async def test_who_is_stuck_asks_for_no_more_time(
    notifier: Notifier, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that gets nowhere for long may be ended by its manager, though the loop runs."""
    monkeypatch.setattr("hermes.systemd.notify._STUCK_SECONDS", 0.1)
    notifier._beat_seconds = 0.05
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(notifier.beat(lambda: "warming"))
        await asyncio.sleep(0.3)
        beating.cancel()
    beats = [message for message in manager.messages() if "WATCHDOG" in message]
    assert "EXTEND_TIMEOUT_USEC" in beats[0]
    assert beats[-1] == {"WATCHDOG": "1"}


async def test_the_status_is_told_when_it_changes(
    notifier: Notifier, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each text, not more often than it is looked at."""
    monkeypatch.setattr("hermes.systemd.notify._LOOK_SECONDS", 0.05)
    texts = iter(["1 warm", "1 warm", "2 warm", "2 warm"])
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(notifier.beat(lambda: next(texts, "3 warm")))
        await asyncio.sleep(0.5)
        beating.cancel()
    told = [message["STATUS"] for message in manager.messages() if "STATUS" in message]
    assert told == ["1 warm", "2 warm", "3 warm"]


def test_what_found_no_room_is_told_later(notifier: Notifier, manager: Manager) -> None:
    """A manager that lags behind misses no readiness, and holds up nobody."""
    for _ in range(100_000):
        notifier.failed("flood", 1)
        if notifier._untold:
            break
    notifier.ready()
    manager.messages()
    notifier.failed("last", 1)
    assert manager.messages() == [{"STATUS": "last", "EXIT_STATUS": "1", "READY": "1"}]


def test_a_manager_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    """The service does not depend on who supervises it."""
    notifier = Notifier(str(tmp_path / "gone"))
    notifier.ready()
    notifier.close()
    Notifier().ready()
