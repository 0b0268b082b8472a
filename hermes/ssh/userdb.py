"""Who is let in with which password: Cowrie's userdb syntax. Pure.

A line is ``user:x:password``; the first that matches decides. ``*`` matches anything,
``/regex/`` or ``/regex/i`` matches by search, ``!`` before a password refuses it.
https://docs.cowrie.org/en/latest/README.html#authentication
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hermes.errors import SettingsError

_REGEX: Final = re.compile(r"/(?P<pattern>.+)/(?P<flag>i?)")
_FIELDS: Final = 3
_Matcher = Callable[[str], bool]


@dataclass(frozen=True)
class Rule:
    """One line: whom and what it matches, and whether it lets in."""

    user: _Matcher
    password: _Matcher
    accepts: bool


@dataclass(frozen=True)
class UserDb:
    """The rules of one file, in its order."""

    rules: tuple[Rule, ...]

    def decide(self, user: str, password: str) -> bool | None:
        """Whether the first rule that matches lets in; None when none matches."""
        for rule in self.rules:
            if rule.user(user) and rule.password(password):
                return rule.accepts
        return None


def parse_userdb(text: str, name: str) -> UserDb:
    """Read the lines of the file ``name``; raises SettingsError with the line's number."""
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            rules.append(_rule(line, f"{name}, line {number}"))
    return UserDb(tuple(rules))


def _rule(line: str, place: str) -> Rule:
    fields = line.split(":", _FIELDS - 1)
    if len(fields) != _FIELDS or not fields[0]:
        raise SettingsError(f"{place}: {line!r} should be user:x:password")
    user, _ignored, password = fields
    accepts = not password.startswith("!")
    pattern = password if accepts else password[1:]
    return Rule(_matcher(user, place), _matcher(pattern, place), accepts)


def _matcher(pattern: str, place: str) -> _Matcher:
    if pattern == "*":
        return lambda _text: True
    regex = _REGEX.fullmatch(pattern)
    if regex is None:
        return pattern.__eq__
    try:
        compiled = re.compile(regex["pattern"], re.IGNORECASE if regex["flag"] else 0)
    except re.error as error:
        raise SettingsError(f"{place}: {pattern} is no regular expression: {error}") from error
    return lambda text: compiled.search(text) is not None
