"""``hermes sessions``: what attackers did, listed, told and replayed."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from hermes.cli.options import AsJson, EnvFile
from hermes.cli.output import stdout
from hermes.cli.play import play_channel
from hermes.cli.telling import tell
from hermes.errors import EvidenceError, SettingsError
from hermes.evidence import changes as changes_file
from hermes.evidence import store
from hermes.evidence.changes import Changes
from hermes.evidence.story import Story, to_json
from hermes.settings_source import load
from hermes.text import printable

app = typer.Typer(no_args_is_help=True, help="What attackers did: listed, told, replayed.")

_AGO: Final = re.compile(r"(\d+)\s*([smhdw])")
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
Session = Annotated[str, typer.Argument(metavar="ID", help="A session's id, or how it begins.")]


@app.command("list")
def list_sessions(
    *,
    since: Annotated[
        str | None, typer.Option(help="Only later ones: 30m, 2h, 7d, or 2026-01-31T12:00.")
    ] = None,
    ip: Annotated[str | None, typer.Option(help="Only from this address.")] = None,
    user: Annotated[str | None, typer.Option(help="Only with this user name.")] = None,
    command: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only with a command that has this in it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """List sessions, newest first."""
    root = load(env_file).settings.evidence.dir
    earliest = _parse_since(since) if since else None
    found = (
        story
        for story in _since(store.stories(root), earliest)
        if (ip is None or story.source_ip == ip)
        and (user is None or any(c.user == user for c in story.credentials))
        and (command is None or any(command in line for line in story.commands))
    )
    chosen = list(islice(found, limit))
    if as_json:
        typer.echo(json.dumps([to_json(story) for story in chosen]))
        return
    if not chosen:
        typer.echo(f"no sessions in {root}")
        return
    stdout().print(_table(chosen))


@app.command()
def show(session: Session, *, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Tell one session: who, what was tried, what was run, how it ended."""
    root = load(env_file).settings.evidence.dir
    directory = store.find(root, session)
    story, changes = store.read(directory), _changes(directory)
    if as_json:
        told = {**to_json(story), "changes": changes and changes_file.to_json(changes)}
        typer.echo(json.dumps(told, indent=1))
        return
    stdout().print(tell(story, directory, changes))


@app.command()
def play(
    session: Session,
    *,
    channel: Annotated[
        int | None, typer.Option(min=0, help="Which channel; the first terminal, or the first.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.01, help="How many times faster.")] = 1.0,
    max_idle: Annotated[
        float, typer.Option(min=0, metavar="S", help="Longest pause, in seconds.")
    ] = 2.0,
    env_file: EnvFile = None,
) -> None:
    """Replay a channel on this terminal, as the attacker saw it."""
    directory = store.find(load(env_file).settings.evidence.dir, session)
    play_channel(directory, store.read(directory), channel, sys.stdout, speed, max_idle)


def _changes(directory: Path) -> Changes | None:
    try:
        return changes_file.read(directory)
    except EvidenceError as error:  # the rest of the story is worth telling
        typer.echo(f"hermes: {error}", err=True)
        return None


def _since(stories: Iterator[Story], earliest: datetime | None) -> Iterator[Story]:
    for story in stories:
        if earliest is not None and story.started < earliest:
            return  # they come newest first
        yield story


def _parse_since(text: str) -> datetime:
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNIT_SECONDS[ago[2]])
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--since is {text!r}: should be 30m, 2h, 7d or a date") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _table(stories: list[Story]) -> Table:
    table = Table(box=None)
    for heading in ("session", "started (UTC)", "from", "user", "in", "lasted"):
        table.add_column(heading, no_wrap=True)
    table.add_column("did", no_wrap=True, overflow="ellipsis", min_width=20)
    for story in stories:
        lasted = "open" if story.seconds is None else f"{story.seconds:.1f} s"
        table.add_row(
            story.session,
            f"{story.started:%Y-%m-%d %H:%M:%S}",
            story.source_ip,
            Text(printable(story.user or "", 24)),
            "yes" if story.logged_in else "",
            lasted,
            Text(_did(story)),
        )
    return table


def _did(story: Story) -> str:
    if story.commands:
        return printable("; ".join(story.commands), 80)
    return ", ".join(channel.kind for channel in story.channels)
