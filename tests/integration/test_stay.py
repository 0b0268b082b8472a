"""What a visitor leaves behind is kept when his stay ends."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import Hermes, Start, wait_for

pytestmark = pytest.mark.podman
SHM, TMP = "/dev/shm", "/tmp"  # noqa: S108 - the sandbox's own

# A running program, so that it is seen to be ended before its files are read.
VISIT = """
echo disk > /root/a; mkdir -p /dev/shm/.x; echo memory > /dev/shm/.x/b; echo '#!/bin/sh' > /tmp/c
chmod 4755 /tmp/c; rm /etc/hostname 2> /dev/null; ln -s /etc/shadow /tmp/link; mkfifo /tmp/pipe
(while :; do echo more >> /root/log; sleep 0.01; done) > /dev/null 2>&1 &
"""


def changes_of(hermes: Hermes, session: str) -> dict[str, Any]:
    """Wait for the list of changes of a session's stay, by path."""
    path = hermes.directory_of(session) / "changes.json"
    wait_for(path.exists, 15.0)
    document = json.loads(path.read_text())
    return {change["path"]: change for change in document["changes"]}


def sha256(text: str) -> str:
    """Hash what was left."""
    return hashlib.sha256(text.encode()).hexdigest()


async def test_a_stay_is_harvested(start: Start) -> None:
    """Files on disk and in memory, with their bytes; links and pipes as what they are."""
    hermes = start(POOL__SIZE="1", POOL__LINGER_SECONDS="0")
    async with hermes.connect() as connection:
        await connection.run(VISIT)
    (session,) = hermes.closed_sessions(1)
    changes = changes_of(hermes, session["session"])
    assert changes["/root/a"]["sha256"] == sha256("disk\n")
    assert changes[f"{SHM}/.x/b"]["sha256"] == sha256("memory\n")
    assert changes[f"{TMP}/c"]["mode"] == "4755"
    assert (changes[f"{TMP}/link"]["kind"], changes[f"{TMP}/pipe"]["kind"]) == ("link", "fifo")
    assert changes["/root/log"]["artifact"]
    kept = hermes.evidence / "artifacts" / sha256("disk\n")[:2] / sha256("disk\n")
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("disk\n", 0o400)
    wait_for(lambda: hermes.sessions()[0]["harvest"] is not None, 10.0)
    shown = hermes.cli("sessions", "show", session["session"]).stdout
    assert f"{SHM}/.x/b" in shown
    assert sha256("memory\n")[:12] in hermes.cli("artifacts", "list").stdout


async def test_every_session_of_a_stay_has_its_harvest(start: Start, tmp_path: Path) -> None:
    """What was left in one connection is found by the id of another one, and in a file."""
    hermes = start(POOL__SIZE="1", POOL__LINGER_SECONDS="0.5")
    for word in ("one", "two"):
        async with hermes.connect() as connection:
            await connection.run(f"echo {word} > /root/{word}")
    sessions = [session["session"] for session in hermes.closed_sessions(2)]
    for session in sessions:
        assert {"/root/one", "/root/two"} <= set(changes_of(hermes, session))
    copy = tmp_path / "copy"
    hermes.cli("artifacts", "export", sha256("one\n"), "-o", str(copy))
    assert copy.read_text() == "one\n"
