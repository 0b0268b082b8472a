"""Events as JSON documents with ECS names, one on a line, and back."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from hermes.errors import EvidenceError
from hermes.evidence import events
from hermes.evidence.events import ECS_KEY, Event

ACTION = "event.action"
SENSOR = "observer.name"


@dataclass(frozen=True)
class Reading:
    """The events of a file that can be read, and how many lines cannot."""

    events: tuple[Event, ...]
    damaged_lines: int


def event_types() -> dict[str, type[Event]]:
    """Every event type by its action."""
    found = (value for value in vars(events).values() if isinstance(value, type))
    return {kind.action: kind for kind in found if issubclass(kind, Event) and kind is not Event}


def to_document(event: Event, sensor: str) -> dict[str, Any]:
    """Nest the fields of an event under their ECS names; fields that are None are left out."""
    document: dict[str, Any] = {}
    for name, ecs_name in _PLACES[event.action]:
        value = getattr(event, name)
        if value is not None:
            _put(document, ecs_name, _plain(value))
    _put(document, ACTION, event.action)
    _put(document, SENSOR, sensor)
    return document


def from_document(document: dict[str, Any]) -> Event:
    """Rebuild an event; raises EvidenceError for one of no known shape."""
    action = str(_get(document, ACTION))
    kind = _KINDS.get(action)
    if kind is None:
        raise EvidenceError(f"{action!r} is no event of Hermes")
    values = {name: _get(document, ecs_name) for name, ecs_name in _PLACES[action]}
    given = {name: value for name, value in values.items() if value is not None}
    try:
        given["time"] = datetime.fromisoformat(given["time"])
        event = kind(**given)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(f"a {action} event is damaged: {error}") from error
    _check_types(event)
    return event


def to_line(event: Event, sensor: str) -> bytes:
    """Write one event as one line of JSON."""
    text = json.dumps(to_document(event, sensor), separators=(",", ":"))
    return text.encode() + b"\n"


def from_lines(data: bytes) -> Reading:
    """Read the events of whole lines; a last one cut short, as by a crash, is no damage."""
    found: list[Event] = []
    damaged = 0
    for line in data.splitlines(keepends=True):
        if line.endswith(b"\n"):
            try:
                found.append(from_document(_decode(line)))
            except EvidenceError:  # one bad line is no reason to hide the good ones
                damaged += 1
    return Reading(tuple(found), damaged)


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds and ``Z``."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _decode(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise EvidenceError(f"a line of events is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise EvidenceError("a line of events is no object")
    return document


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, float):
        return round(value, 6)
    return value


def _put(document: dict[str, Any], dotted: str, value: object) -> None:
    *parents, leaf = dotted.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[leaf] = value


def _get(document: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _check_types(event: Event) -> None:
    for name, hint in _HINTS[event.action].items():
        value = getattr(event, name)
        if not _is(hint, value):
            raise EvidenceError(f"a {event.action} event is damaged: {name} is {value!r}")


def _is(hint: Any, value: object) -> bool:
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:
        return any(_is(choice, value) for choice in arguments)
    if kind is Literal:
        return value in arguments
    if kind is Mapping:
        return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    if kind is datetime:
        return isinstance(value, datetime) and value.tzinfo is not None
    return type(value) is kind or (kind is float and type(value) is int)


_KINDS: Final = event_types()
_PLACES: Final = {
    action: tuple((field.name, str(field.metadata[ECS_KEY])) for field in dataclasses.fields(kind))
    for action, kind in _KINDS.items()
}
_HINTS: Final = {
    action: {field.name: get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}
    for action, kind in _KINDS.items()
}
