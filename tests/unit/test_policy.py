"""Userdb, failures, visitors and limits: who may come in, and stay."""

import pytest

from hermes.errors import SettingsError
from hermes.settings import LimitSettings
from hermes.ssh.limits import Startups, overdue
from hermes.ssh.policy import PasswordPolicy, read_userdb, visitor_of
from hermes.ssh.userdb import parse_userdb

USERDB = """
# comment
root:x:!/^345/
root:x:one
root:x:two:with:colons
/^svc-/:x:/secret/i
guest:x:*
*:x:!banned
"""


@pytest.mark.parametrize(
    ("user", "password", "accepted"),
    [
        ("root", "one", True),
        ("root", "two:with:colons", True),
        ("root", "345gs5662d34", False),
        ("root", "three", None),
        ("svc-backup", "my-SECRET-1", True),
        ("svc-backup", "other", None),
        ("guest", "", True),
        ("guest", "banned", True),
        ("anyone", "banned", False),
        ("anyone", "else", None),
    ],
)
def test_the_first_rule_that_matches_decides(
    user: str, password: str, accepted: bool | None
) -> None:
    """Names, wildcards, expressions and refusals are tried from top to bottom."""
    assert parse_userdb(USERDB, "users").decide(user, password) is accepted


@pytest.mark.parametrize("line", ["root", "root:x", ":x:y", "root:x:/(/"])
def test_a_malformed_line_is_named(line: str) -> None:
    """The error has the file and the number of the line."""
    with pytest.raises(SettingsError, match="users, line 2"):
        parse_userdb(f"a:x:b\n{line}\n", "users")


def test_the_builtin_userdb_lets_common_guesses_in() -> None:
    """Without a file of one's own, root gets in by a common password."""
    userdb = read_userdb(None)
    assert userdb.decide("root", "toor") is True
    assert userdb.decide("root", "3245gs5662d34") is False


def test_failures_are_counted_for_each_visitor() -> None:
    """One visitor's failures let nobody else in, and a refusal by rule counts too."""
    policy = PasswordPolicy(parse_userdb("*:x:!no\n", "users"), 2)
    assert not policy.decide("192.0.2.1", "root", "no").accepted
    assert not policy.decide("192.0.2.1", "root", "a").accepted
    assert not policy.decide("192.0.2.2", "root", "a").accepted
    assert policy.decide("192.0.2.1", "root", "a").accepted
    assert not policy.decide("192.0.2.1", "root", "no").accepted


def test_zero_failures_means_never() -> None:
    """AUTH__ACCEPT_AFTER_FAILURES=0 lets nobody in by patience."""
    policy = PasswordPolicy(parse_userdb("", "users"), 0)
    assert not any(policy.decide("192.0.2.1", "root", str(n)).accepted for n in range(50))


def test_visitors_are_forgotten_in_order() -> None:
    """The memory of failures is bounded: the visitor longest unseen goes first."""
    policy = PasswordPolicy(parse_userdb("", "users"), 1)
    policy.decide("first", "root", "x")
    for number in range(10_000):
        policy.decide(f"v{number}", "root", "x")
    assert not policy.decide("first", "root", "x").accepted
    assert policy.decide("v9999", "root", "x").accepted


@pytest.mark.parametrize(
    ("address", "visitor"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_network_is_one_visitor(address: str, visitor: str) -> None:
    """The /64 counts, and a mapped address is an IPv4 one."""
    assert visitor_of(address) == visitor


@pytest.mark.parametrize(
    ("waiting", "chance", "refused"),
    [(9, 0.0, False), (10, 0.29, True), (10, 0.31, False), (55, 0.64, True), (100, 0.999, True)],
)
def test_startups_are_dropped_as_sshd_does(waiting: int, chance: float, refused: bool) -> None:
    """10:30:100 drops none below 10, 30 per cent at 10, more and more up to all at 100."""
    assert Startups(10, 30, 100).refuses(waiting, chance) is refused


@pytest.mark.parametrize(
    ("logged_in", "age", "idle", "reason"),
    [
        (False, 119, 119, None),
        (False, 121, 0, "login grace time over"),
        (True, 121, 0, None),
        (True, 400, 301, "idle"),
        (True, 3601, 0, "session time over"),
    ],
)
def test_sessions_end_at_their_limits(
    logged_in: bool, age: float, idle: float, reason: str | None
) -> None:
    """Grace time, idleness and length are told apart."""
    limits = LimitSettings()
    assert overdue(limits, logged_in=logged_in, age_seconds=age, idle_seconds=idle) == reason
