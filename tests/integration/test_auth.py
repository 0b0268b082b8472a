"""Who is let in, how a refusal feels, and what is kept of it."""

import asyncio
import time
from pathlib import Path

import asyncssh
import pytest

from tests.integration.running import Hermes, Start, wait_for


async def refused(hermes: Hermes, user: str, password: str) -> bool:
    """Whether this credential is refused."""
    try:
        async with hermes.connect(user, password):
            return False
    except asyncssh.PermissionDenied:
        return True


def userdb(directory: Path, text: str) -> str:
    """Write a userdb and return its path."""
    path = directory / "users.txt"
    path.write_text(text)
    return str(path)


async def test_one_user_may_have_many_passwords(shared: Hermes) -> None:
    """Every line of a user counts, not only the last one."""
    for password in ("toor", "123456", "root123"):
        assert not await refused(shared, "root", password)


async def test_what_only_honeypots_accept_is_refused(shared: Hermes) -> None:
    """The passwords by which scanners find honeypots are refused to everybody."""
    for user in ("root", "admin"):
        assert await refused(shared, user, "345gs5662d34")


async def test_a_visitor_is_let_in_after_failures(start: Start, tmp_path: Path) -> None:
    """The failure after AUTH__ACCEPT_AFTER_FAILURES is a success, with whatever password."""
    hermes = start(
        AUTH__USERDB=userdb(tmp_path, "root:x:right\n"),
        AUTH__ACCEPT_AFTER_FAILURES="2",
        AUTH__FAILURE_DELAY_SECONDS="0",
    )
    tries = [await refused(hermes, "oracle", f"guess{number}") for number in range(3)]
    assert tries == [True, True, False]
    last = hermes.closed_sessions(3)[-1]
    assert last["credentials"][0]["secret"] == "guess2"
    assert last["logged_in"] is True


async def test_a_refusal_takes_its_time(start: Start) -> None:
    """A wrong password costs about AUTH__FAILURE_DELAY_SECONDS, a right one nothing."""
    hermes = start(AUTH__FAILURE_DELAY_SECONDS="1")
    began = time.monotonic()
    assert await refused(hermes, "root", "wrong")
    wrong = time.monotonic() - began
    assert not await refused(hermes, "root", "toor")
    right = time.monotonic() - began - wrong
    assert 0.9 <= wrong < 2
    assert right < 0.8


async def test_too_many_failures_end_the_connection(start: Start) -> None:
    """After AUTH__MAX_TRIES failures sshd's disconnect comes, and each try is kept."""
    hermes = start(
        AUTH__MAX_TRIES="3", AUTH__FAILURE_DELAY_SECONDS="0", AUTH__ACCEPT_AFTER_FAILURES="0"
    )

    class Guesser(asyncssh.SSHClient):
        guesses = iter(["one", "two", "three", "four", "five"])

        def password_auth_requested(self) -> str:
            return next(self.guesses)

    with pytest.raises(asyncssh.DisconnectError, match="Too many authentication failures"):
        await asyncssh.create_connection(
            Guesser,
            "127.0.0.1",
            hermes.port,
            username="root",
            known_hosts=None,
            client_keys=None,
            agent_path=None,
            config=None,
        )
    (session,) = hermes.closed_sessions(1)
    assert [c["secret"] for c in session["credentials"]] == ["one", "two", "three"]
    assert session["reason"] == "too many authentication failures"


async def test_keys_are_refused_and_kept(start: Start) -> None:
    """A public key is not accepted, and its fingerprint is in the record."""
    hermes = start()
    key = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "127.0.0.1",
            hermes.port,
            username="root",
            client_keys=[key],
            known_hosts=None,
            agent_path=None,
            config=None,
            preferred_auth="publickey",
        )
    (session,) = hermes.closed_sessions(1)
    assert session["credentials"][0]["method"] == "publickey"
    assert session["credentials"][0]["secret"] == key.get_fingerprint()


async def test_names_that_no_server_could_have_are_refused(start: Start, tmp_path: Path) -> None:
    """A name with a colon, a blank or a slash never becomes an account."""
    hermes = start(AUTH__USERDB=userdb(tmp_path, "*:x:*\n"), AUTH__FAILURE_DELAY_SECONDS="0")
    for name in ("a:b", "../etc", "x y", "-rf", "a" * 40):
        assert await refused(hermes, name, "x")
    assert not await refused(hermes, "Admin.2", "x")


async def test_a_changed_userdb_counts_at_once(start: Start, tmp_path: Path) -> None:
    """A password added to the file works without a restart."""
    path = userdb(tmp_path, "root:x:old\n")
    hermes = start(
        AUTH__USERDB=path, AUTH__ACCEPT_AFTER_FAILURES="0", AUTH__FAILURE_DELAY_SECONDS="0"
    )
    assert await refused(hermes, "root", "new")
    userdb(tmp_path, "root:x:new one\nroot:x:new\n")
    wait_for(lambda: "was reloaded" in hermes.log.read_text(), 10.0)
    assert not await refused(hermes, "root", "new")
    assert await refused(hermes, "root", "old")


async def test_many_logins_at_once(shared: Hermes) -> None:
    """Simultaneous guesses are each judged by themselves."""
    async with asyncio.TaskGroup() as tasks:
        guesses = [
            tasks.create_task(refused(shared, "root", "toor" if n % 2 else "345gs5662d34"))
            for n in range(8)
        ]
    assert [guess.result() for guess in guesses] == [n % 2 == 0 for n in range(8)]
