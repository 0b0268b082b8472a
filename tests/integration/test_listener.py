"""The listening sockets: addresses, host keys, and how many may come for how long."""

import asyncio
import socket
import time

import asyncssh
import pytest

from tests.integration.running import Start, banner_of, wait_for


def test_listens_on_several_addresses(start: Start) -> None:
    """SSH__HOST takes IPv4 and IPv6, with commas, and each line says where."""
    port = free_port()
    hermes = start(SSH__HOST="127.0.0.1, ::1", SSH__PORT=str(port))
    assert f"listening on 127.0.0.1:{port}" in hermes.log.read_text()
    assert f"listening on [::1]:{port}" in hermes.log.read_text()
    assert banner_of(port, "::1") == banner_of(port)


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_banner_can_be_set(start: Start) -> None:
    """SSH__BANNER is the whole identification line."""
    hermes = start(SSH__BANNER="SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3")
    assert banner_of(hermes.port) == b"SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3\r\n"


async def test_host_keys_are_made_once_for_their_owner(start: Start) -> None:
    """Three keys of mode 0600 are made at the first start and stay the same."""
    hermes = start()
    keys = hermes.directory / "host_keys"
    private = sorted(path.name for path in keys.iterdir() if path.suffix != ".pub")
    assert private == ["ssh_host_ecdsa_key", "ssh_host_ed25519_key", "ssh_host_rsa_key"]
    assert {(keys / name).stat().st_mode & 0o777 for name in private} == {0o600}
    before = {name: (keys / name).read_bytes() for name in private}
    for algorithm in ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"):
        key = await asyncssh.get_server_host_key(
            "127.0.0.1", hermes.port, server_host_key_algs=[algorithm], config=None
        )
        assert key is not None
    hermes.stop()
    hermes.start()
    assert {name: (keys / name).read_bytes() for name in private} == before


def test_connections_of_a_visitor_are_limited(start: Start) -> None:
    """One more than LIMITS__SESSIONS_PER_VISITOR is dropped before the banner, and kept."""
    hermes = start(LIMITS__SESSIONS_PER_VISITOR="2")
    with (
        socket.create_connection(("127.0.0.1", hermes.port)) as one,
        socket.create_connection(("127.0.0.1", hermes.port)) as two,
    ):
        assert one.recv(4) == two.recv(4) == b"SSH-"
        assert b"SSH-" not in banner_of(hermes.port)
    reasons = [session["reason"] for session in hermes.closed_sessions(3)]
    assert "too many sessions of this visitor" in reasons
    assert banner_of(hermes.port).startswith(b"SSH-")


def test_connections_not_logged_in_are_limited(start: Start) -> None:
    """LIMITS__STARTUPS drops as sshd's MaxStartups does."""
    hermes = start(LIMITS__STARTUPS="1:100:2", LIMITS__SESSIONS_PER_VISITOR="10")
    with socket.create_connection(("127.0.0.1", hermes.port)) as one:
        assert one.recv(4) == b"SSH-"
        assert b"SSH-" not in banner_of(hermes.port)


def test_all_connections_are_limited(start: Start) -> None:
    """LIMITS__SESSIONS counts everybody."""
    hermes = start(LIMITS__SESSIONS="1")
    with socket.create_connection(("127.0.0.1", hermes.port)) as one:
        assert one.recv(4) == b"SSH-"
        assert b"SSH-" not in banner_of(hermes.port)
    assert "too many sessions" in [s["reason"] for s in hermes.closed_sessions(2)]


def test_who_does_not_log_in_is_hung_up_on(start: Start) -> None:
    """After LIMITS__LOGIN_GRACE_SECONDS the connection ends."""
    hermes = start(LIMITS__LOGIN_GRACE_SECONDS="1")
    with socket.create_connection(("127.0.0.1", hermes.port), timeout=10) as client:
        began = time.monotonic()
        while client.recv(4096):
            pass
    assert 0.9 < time.monotonic() - began < 4
    assert hermes.closed_sessions(1)[0]["reason"] == "login grace time over"


async def test_who_falls_silent_is_hung_up_on(start: Start) -> None:
    """After LIMITS__IDLE_SECONDS of silence the session ends, and its box goes."""
    hermes = start(LIMITS__IDLE_SECONDS="2", POOL__SIZE="1", POOL__LINGER_SECONDS="0")
    async with hermes.connect() as connection:
        busy = await connection.run("for i in 1 2 3 4 5 6; do sleep 0.5; echo $i; done")
        assert str(busy.stdout).endswith("6\n")
        await connection.create_process("sleep 60")
        async with asyncio.timeout(10):
            await connection.wait_closed()
    (session,) = hermes.closed_sessions(1)
    assert session["reason"] == "idle"
    wait_for(lambda: session["sandbox"] not in hermes.containers(), 15.0)


async def test_garbage_ends_one_connection_only(start: Start) -> None:
    """Bytes that are no SSH are survived; the service goes on as before."""
    hermes = start()
    for garbage in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 200,
        b"SSH-2.0-x\r\n" + b"\xff" * 5000,
    ):
        with socket.create_connection(("127.0.0.1", hermes.port), timeout=5) as client:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            try:
                while client.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    async with hermes.connect() as connection:
        assert (await connection.run("echo ok")).stdout == "ok\n"
    assert len(hermes.closed_sessions(4)) == 4
    assert "Traceback" not in hermes.log.read_text()


async def test_a_port_scan_leaves_no_memory_of_itself(start: Start) -> None:
    """Sessions that are over are forgotten by the running service."""
    hermes = start()
    for _ in range(50):
        banner_of(hermes.port)
    hermes.closed_sessions(50)
    with pytest.raises(asyncssh.PermissionDenied):
        await hermes.connect(password="345gs5662d34").__aenter__()
    assert "not logged in" not in hermes.log.read_text()
