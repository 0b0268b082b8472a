"""What is kept of a session: its facts, its events, its recordings, and nobody else's."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from hermes.ssh.environment import MOST_VARIABLES
from tests.integration.running import Start, wait_for
from tests.integration.test_shell import read_until


def cast(path: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    """Read an asciicast: header and events."""
    header, *events = [json.loads(line) for line in path.read_text().splitlines()]
    return header, events


def text_of(events: list[list[Any]], code: str) -> str:
    """Join the text of one kind of asciicast event."""
    return "".join(text for _at, kind, text in events if kind == code)


async def test_of_an_endless_environment_the_first_is_kept(start: Start) -> None:
    """The program and the record get as many of the client's variables as sshd would take."""
    hermes = start()
    async with hermes.connect() as connection:
        many = {f"LC_{number}": "x" for number in range(300)}
        result = await connection.run("env | grep -c ^LC_", env=many)
    assert result.stdout == f"{MOST_VARIABLES}\n"
    (session,) = hermes.closed_sessions(1)
    assert len(session["channels"][0]["environment"]) == MOST_VARIABLES


async def test_session_json_tells_who_and_what(start: Start) -> None:
    """Client version, every credential, commands with status, times and the end are kept."""
    hermes = start(AUTH__FAILURE_DELAY_SECONDS="0")
    with pytest.raises(asyncssh.PermissionDenied):
        await hermes.connect("root", "wrong").__aenter__()
    async with hermes.connect() as connection:
        await connection.run("exit 9")
    refused, session = hermes.closed_sessions(2)
    assert refused["credentials"] == [
        {"method": "password", "user": "root", "secret": "wrong", "accepted": False}
    ]
    assert session["client_version"].startswith("SSH-2.0-AsyncSSH")
    assert session["credentials"][0]["accepted"] is True
    assert session["channels"][0]["exit_status"] == 9
    assert session["commands"] == ["exit 9"]
    assert session["reason"] == "closed by client"
    assert session["started"] < session["ended"]
    assert not refused["logged_in"]
    assert refused["sandbox"] is None


async def test_each_channel_has_its_own_recording(start: Start) -> None:
    """A second channel destroys nothing of the first: terminal, streams, terminal."""
    hermes = start()
    async with hermes.connect() as connection:
        for word in ("first", "second"):
            shell = await connection.create_process(term_type="vt100", term_size=(90, 30))
            await read_until(shell, "#")
            shell.stdin.write(f"echo {word}-$((40 + 2))\nexit\n")
            await shell.wait()
        await connection.run("cat; echo no >&2", input="typed")
    (session,) = hermes.closed_sessions(1)
    directory = hermes.directory_of(session["session"])
    for number, word in enumerate(("first", "second")):
        header, events = cast(directory / f"channel-{number}.cast")
        assert (header["version"], header["width"], header["height"]) == (2, 90, 30)
        assert header["env"] == {"TERM": "vt100"}
        assert f"{word}-42" in text_of(events, "o")
        assert f"echo {word}" in text_of(events, "i")
    streams = [(directory / f"channel-2.{name}").read_text() for name in ("stdin", "stdout")]
    assert streams == ["typed", "typed"]
    assert (directory / "channel-2.stderr").read_text() == "no\n"


async def test_overlapping_attackers_stay_apart(start: Start, tmp_path: Path) -> None:
    """Six at once and scanners between them: each record is its own, and no box stays."""
    hermes = start(POOL__SIZE="2", POOL__LINGER_SECONDS="0", AUTH__USERDB=str(everyone(tmp_path)))

    async def attack(number: int) -> None:
        async with hermes.connect(
            f"user{number}", f"secret{number}", f"127.0.1.{number + 1}"
        ) as connection:
            with socket.create_connection(("127.0.0.1", hermes.port)):
                assert (await connection.run(f"echo {number}")).stdout == f"{number}\n"

    async with asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(attack(number))
    sessions = hermes.closed_sessions(12)
    attackers = {s["user"]: s for s in sessions if s["credentials"]}
    scanners = [s for s in sessions if not s["credentials"]]
    assert len(scanners) == 6
    assert all(s["user"] is None and s["sandbox"] is None for s in scanners)
    for number in range(6):
        session = attackers[f"user{number}"]
        assert session["credentials"][0]["secret"] == f"secret{number}"
        assert session["commands"] == [f"echo {number}"]
        stdout = hermes.directory_of(session["session"]) / "channel-0.stdout"
        assert stdout.read_text() == f"{number}\n"
    assert len({s["sandbox"] for s in attackers.values()}) == 6
    wait_for(lambda: len(hermes.containers()) == 2, 30.0)


def everyone(directory: Path) -> Path:
    """Write a userdb that lets anybody in."""
    path = directory / "userdb.txt"
    path.write_text("*:x:*\n")
    return path


async def test_a_character_split_between_two_reads_is_recorded(start: Start) -> None:
    """UTF-8 that arrives in halves is whole in the recording."""
    hermes = start()
    async with hermes.connect() as connection:
        shell = await connection.create_process(term_type="xterm")
        await read_until(shell, "#")
        shell.stdin.write("printf '\\303'; sleep 0.3; printf '\\244\\n'; exit\n")
        await shell.wait()
    (session,) = hermes.closed_sessions(1)
    _header, events = cast(hermes.directory_of(session["session"]) / "channel-0.cast")
    assert "ä" in text_of(events, "o")
    assert "�" not in text_of(events, "o")


async def test_resizes_are_recorded_in_order(start: Start) -> None:
    """The recording has each new size where it came."""
    hermes = start()
    async with hermes.connect() as connection:
        shell = await connection.create_process(term_type="xterm", term_size=(80, 24))
        await read_until(shell, "#")
        shell.change_terminal_size(132, 43)
        shell.stdin.write("exit\n")
        await shell.wait()
    (session,) = hermes.closed_sessions(1)
    _header, events = cast(hermes.directory_of(session["session"]) / "channel-0.cast")
    kinds = [(code, text) for _at, code, text in events if code != "o"]
    assert kinds == [("r", "132x43"), ("i", "exit\n")]
    assert [at for at, _code, _text in events] == sorted(at for at, _code, _text in events)


async def test_a_session_records_no_more_than_it_may(start: Start) -> None:
    """Beyond its budget the attacker still gets everything, and the record says what it lacks."""
    hermes = start(EVIDENCE__SESSION_MAX_BYTES="1m")
    async with hermes.connect() as connection:
        result = await connection.run("head -c 5000000 /dev/zero", encoding=None)
        assert isinstance(result.stdout, bytes)
        assert len(result.stdout) == 5_000_000
    (session,) = hermes.closed_sessions(1)
    channel = session["channels"][0]
    recorded = hermes.directory_of(session["session"]) / "channel-0.stdout"
    assert 0 < recorded.stat().st_size <= 1 << 20
    assert channel["unrecorded_bytes"] == 5_000_000 - recorded.stat().st_size
    assert channel["sent_bytes"] == 5_000_000


async def test_evidence_is_for_its_owner_alone(start: Start) -> None:
    """No file of the evidence or the keys can be read by others."""
    hermes = start()
    async with hermes.connect() as connection:
        await connection.run("id")
    hermes.closed_sessions(1)
    paths = [*hermes.evidence.rglob("*"), *(hermes.directory / "host_keys").iterdir()]
    readable = [path for path in paths if path.stat().st_mode & 0o077]
    assert paths
    assert readable == []


def test_a_scanner_leaves_a_record_and_takes_no_box(start: Start) -> None:
    """A connection that only looks has a session, a client version, and no sandbox."""
    hermes = start()
    with socket.create_connection(("127.0.0.1", hermes.port), timeout=5) as scanner:
        banner = scanner.recv(255)
        scanner.sendall(b"SSH-2.0-libssh_0.9.6\r\n")
        assert hermes.pool()["leased"] == 0
    assert banner.startswith(b"SSH-2.0-OpenSSH_")
    assert b"AsyncSSH" not in banner
    (session,) = hermes.closed_sessions(1)
    assert session["client_version"] == "SSH-2.0-libssh_0.9.6"
    assert session["source"]["ip"] == "127.0.0.1"
    assert session["sandbox"] is None
    assert hermes.pool()["sandboxes"] != []


async def test_a_flood_of_requests_is_counted_and_not_logged(start: Start) -> None:
    """Whoever asks more than ten thousand times fills neither the disk nor the log."""
    hermes = start()
    async with hermes.connect() as connection:

        async def ask() -> None:
            for _ in range(1010):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.open_connection("10.0.0.1", 25)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(ask())
    (session,) = hermes.closed_sessions(1)
    assert session["reason"] == "closed by client"
    assert len(session["forwards"]) + session["dropped_events"] == 10_100
    assert session["dropped_events"] > 100
    assert hermes.log.read_text().count("asked for 10.0.0.1:25") == len(session["forwards"])
