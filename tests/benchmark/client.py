"""A client that costs its machine about a millisecond: libssh, through ssh-python."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Final

from ssh import options
from ssh.channel import Channel
from ssh.exceptions import AuthenticationDenied
from ssh.session import Session

STEP_SECONDS: Final = 20
_ESCAPES: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()].|[=>])"
)
_PROMPT: Final = re.compile(rb"[$#] ?$")
_WRONG: Final = "not-the-password"
# One algorithm of each kind, so that all servers do the same work.
_OPTIONS: Final = (
    (options.KEY_EXCHANGE, "curve25519-sha256"),
    (options.HOSTKEYS, "ssh-ed25519"),
    (options.CIPHERS_C_S, "aes128-ctr"),
    (options.CIPHERS_S_C, "aes128-ctr"),
    (options.HMAC_C_S, "hmac-sha2-256"),
    (options.HMAC_S_C, "hmac-sha2-256"),
    (options.KNOWNHOSTS, "/dev/null"),
    (options.PROCESS_CONFIG, "0"),
)


class BenchmarkError(Exception):
    """A server did not do what the benchmark measures."""


@dataclass(frozen=True)
class Target:
    """Where to log in, and as whom."""

    port: int
    user: str
    password: str


def seconds_to_prompt(target: Target, source: str) -> float:
    """Measure from TCP connect to a shell's prompt on a terminal."""
    begun = perf_counter()
    with logged_in(target, source) as session:
        open_shell(session)
        return perf_counter() - begun


def seconds_to_id(target: Target, source: str) -> float:
    """Measure from TCP connect to the output and exit status of ``id``."""
    begun = perf_counter()
    with logged_in(target, source) as session:
        channel = session.channel_new()
        channel.open_session()
        channel.request_exec("id")
        output = _read(channel, until=None)
        status = channel.get_exit_status()
        elapsed = perf_counter() - begun
    if status != 0 or not output.startswith(b"uid="):
        raise BenchmarkError(f"id answered {output[:80]!r} with status {status}")
    return elapsed


def fail_login(target: Target) -> None:
    """Connect, try a wrong password and hang up; raises BenchmarkError when it lets in."""
    with _connected(target) as session:
        try:
            session.userauth_password(target.user, _WRONG)
        except AuthenticationDenied:
            return
    raise BenchmarkError("a wrong password was accepted")


@contextlib.contextmanager
def logged_in(target: Target, source: str) -> Iterator[Session]:
    """Yield a session with the right password, from one of the addresses of 127.0.0.0/8."""
    with _connected(target, source) as session:
        session.userauth_password(target.user, target.password)
        yield session


def open_shell(session: Session) -> Channel:
    """Ask for a terminal and a shell, and wait for the prompt."""
    channel = session.channel_new()
    channel.open_session()
    channel.request_pty_size("xterm", 80, 24)
    channel.request_shell()
    _read(channel, until=_PROMPT)
    return channel


@contextlib.contextmanager
def _connected(target: Target, source: str | None = None) -> Iterator[Session]:
    session = Session()
    session.options_set(options.HOST, "127.0.0.1")
    session.options_set_port(target.port)
    session.options_set(options.USER, target.user)
    for option, value in _OPTIONS:
        session.options_set(option, value)
    if source is not None:
        session.options_set(options.BINDADDR, source)
    session.options_set_int_val(options.TIMEOUT, STEP_SECONDS)
    session.options_set_int_val(options.NODELAY, 1)
    session.connect()
    try:
        yield session
    finally:
        session.disconnect()


def _read(channel: Channel, until: re.Pattern[bytes] | None) -> bytes:
    """Read up to a pattern at the end, escape sequences left out, or to the end of the output."""
    seen = bytearray()
    deadline = monotonic() + STEP_SECONDS
    while monotonic() < deadline:
        _size, data = channel.read_timeout(1000 * STEP_SECONDS, 65536)
        seen += data
        if until is not None and until.search(_ESCAPES.sub(b"", seen)):
            return bytes(seen)
        if channel.is_eof():
            if until is None:
                return bytes(seen)
            break
    raise BenchmarkError(f"no answer after {bytes(seen[-80:])!r}")
