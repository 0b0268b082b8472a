"""Where settings come from: defaults, ``hermes.env``, the environment, options.

Each value keeps its source, so that a report or an error can name it.
"""

import difflib
import functools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from hermes.errors import SettingsError
from hermes.settings import PREFIX, Settings

DELIMITER = "__"
FILE_NAME = "hermes.env"
_RELOADED = ("AUTH__USERDB", "LOG__LEVEL", "LOG__FORMAT")


@dataclass(frozen=True)
class Loaded:
    """Effective settings; ``sources`` maps each full name that was set to where."""

    settings: Settings
    sources: Mapping[str, str]
    env_file: Path | None


@dataclass(frozen=True)
class Row:
    """One setting as documentation and reports show it."""

    name: str
    value: object
    meaning: str


def load(env_file: Path | None = None, options: Mapping[str, str | None] | None = None) -> Loaded:
    """Read all sources; ``options`` maps names such as ``SSH__PORT`` to what was given.

    Raises SettingsError, one sentence naming setting, value and source.
    """
    path = env_file if env_file is not None else find_env_file()
    in_file = _read_file(path) if path is not None else {}
    in_environment = {key: text for key, text in os.environ.items() if key.startswith(PREFIX)}
    as_options = {PREFIX + name: text for name, text in (options or {}).items() if text is not None}
    sources = {
        **dict.fromkeys(in_file, str(path)),
        **dict.fromkeys(in_environment, "environment"),
        **dict.fromkeys(as_options, "option"),
    }
    _refuse_unknown(sources)
    given = {**in_file, **in_environment, **as_options}
    settings = _validate(given, sources)
    return Loaded(_with_userdb_beside(settings, path), sources, path)


def find_env_file() -> Path | None:
    """Find the first ``hermes.env`` of the user and the system."""
    places = (config_home() / "hermes", Path("/etc/hermes"))
    return next((p / FILE_NAME for p in places if os.access(p / FILE_NAME, os.R_OK)), None)


def config_home() -> Path:
    """Where this user's programs keep their configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()


def rows(settings: Settings) -> Iterator[Row]:
    """Each setting with its full name, in the order of the models."""
    for name, path, field in _walk(Settings, ()):
        value = functools.reduce(getattr, path, settings)
        yield Row(name, value, field.description or "")


def names() -> frozenset[str]:
    """Every full name that exists."""
    return frozenset(name for name, _path, _field in _walk(Settings, ()))


def restart_wanted(before: Settings, now: Settings) -> list[str]:
    """Name the settings that differ and that a running service cannot take over."""
    return [
        old.name
        for old, new in zip(rows(before), rows(now), strict=True)
        if old.value != new.value and old.name.removeprefix(PREFIX) not in _RELOADED
    ]


def template() -> str:
    """Compose the text of ``hermes.env``: every setting with its default, commented out."""
    lines = [
        "# Settings of Hermes; lines that begin with # show the defaults.",
        "# The environment wins over this file, command-line options win over both.",
    ]
    group = ""
    for name, path, field in _walk(Settings, ()):
        if path[0] != group:
            group = path[0]
            lines.append("")
        lines += [f"# {field.description}", f"#{name}={as_text(field.default)}"]
    return "\n".join(lines) + "\n"


def as_text(value: object) -> str:
    """A value as it would be written in ``hermes.env``."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case (int(), int(), int()):
            return ":".join(str(part) for part in value)
        case tuple():
            return ",".join(str(part) for part in value)
        case int() if value >= 1 << 20:
            return _size_text(value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _size_text(value: int) -> str:
    for unit, shift in (("g", 30), ("m", 20)):
        if value % (1 << shift) == 0:
            return f"{value >> shift}{unit}"
    return str(value)


def _walk(
    model: type[BaseModel], path: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        here = (*path, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _walk(field.annotation, here)
        else:
            yield PREFIX + DELIMITER.join(here).upper(), here, field


def _read_file(path: Path) -> dict[str, str]:
    try:
        values = dotenv_values(path, interpolate=False)
        if not values:
            path.read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}; check --env-file") from error
    return {name: text for name, text in values.items() if text is not None}


def _refuse_unknown(sources: Mapping[str, str]) -> None:
    known = names()
    for name, source in sources.items():
        if name in known:
            continue
        bare = [other.removeprefix(PREFIX) for other in known]
        near = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=0.5)
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        raise SettingsError(f"{name} (from {source}) is no setting{hint}")


def _nested(given: Mapping[str, str]) -> dict[str, object]:
    document: dict[str, object] = {}
    for name, text in given.items():
        head, _, leaf = name.removeprefix(PREFIX).lower().partition(DELIMITER)
        if leaf:
            group = document.setdefault(head, {})
            assert isinstance(group, dict)  # noqa: S101 - names() knows no leaf that is a group too
            group[leaf] = text
        else:
            document[head] = text
    return document


def _validate(given: Mapping[str, str], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(_nested(given))
    except ValidationError as error:
        raise SettingsError(_sentence(error, sources)) from error


def _sentence(error: ValidationError, sources: Mapping[str, str]) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    parts = [str(part).upper() for part in first["loc"] if isinstance(part, str)]
    if not parts:
        return message
    name = PREFIX + DELIMITER.join(parts)
    given = json.dumps(first["input"], default=str)
    source = sources.get(name, "default")
    return f"{name} is {given} (from {source}): {message[0].lower()}{message[1:]}"


def _with_userdb_beside(settings: Settings, env_file: Path | None) -> Settings:
    """An unset userdb is the file beside ``hermes.env``, if that exists."""
    if settings.auth.userdb is not None or env_file is None:
        return settings
    beside = env_file.with_name("userdb.txt")
    if not beside.is_file():
        return settings
    auth = settings.auth.model_copy(update={"userdb": beside.absolute()})
    return settings.model_copy(update={"auth": auth})
