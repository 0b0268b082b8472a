"""The rooms of the house keep to themselves."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockingError

import hermes
from hermes.ssh.policy import read_userdb

PACKAGE = Path(hermes.__file__).parent


def imports(path: Path) -> Iterator[str]:
    """Name every module that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def importers(module: str) -> set[str]:
    """Name the rooms that import a module."""
    return {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name == module or name.startswith(f"{module}.") for name in imports(path))
    }


@pytest.mark.parametrize(
    ("module", "rooms"),
    [
        ("asyncssh", {"ssh"}),
        ("podman", {"sandbox"}),
        ("hermes.ssh", {"ssh", "cli", "service.py"}),
        ("hermes.sandbox", {"sandbox", "image", "doctor", "cli", "quadlet", "service.py"}),
    ],
)
def test_a_room_is_entered_by_its_door_only(module: str, rooms: set[str]) -> None:
    """Asyncssh and podman stay in their rooms; ssh and sandbox meet in the service."""
    assert importers(module) <= rooms


def test_evidence_calls_nobody() -> None:
    """The evidence imports nothing of the house but errors and text."""
    for path in (PACKAGE / "evidence").glob("*.py"):
        ours = {name for name in imports(path) if name.startswith("hermes")}
        assert all(n.startswith(("hermes.evidence", "hermes.errors", "hermes.text")) for n in ours)


def test_the_environment_is_read_in_one_place() -> None:
    """os.environ is for settings, and for what systemd passes to ``hermes up`` and the broker."""
    readers = {path.name for path in PACKAGE.rglob("*.py") if "os.environ" in path.read_text()}
    assert readers <= {
        "settings.py",
        "settings_source.py",
        "process.py",
        "derive.py",
        "up.py",
        "broker.py",
    }


async def test_blocking_the_event_loop_is_noticed() -> None:
    """What reads a file does so on a thread, or the test that calls it fails."""
    with pytest.raises(BlockingError):
        read_userdb(None)
    await asyncio.to_thread(read_userdb, None)
