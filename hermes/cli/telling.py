"""The story of one session for people to read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from hermes.evidence.changes import Change, Changes
from hermes.evidence.lines import ending
from hermes.evidence.story import ChannelStory, Credential, Story
from hermes.text import printable

MOST_CHANGES: Final = 20


def tell(story: Story, directory: Path, changes: Changes | None = None) -> RenderableType:
    """Lay it out; nothing the attacker chose is read as markup or reaches the terminal raw."""
    parts: list[RenderableType] = [Rule(f"session {story.session}"), _facts(story, directory)]
    sections = (
        ("credentials tried", _credentials(story)),
        ("channels", _channels(story)),
        ("asked to be forwarded to", map(_plain, story.forwards)),
        ("refused", map(_plain, story.refusals)),
        ("changed in the sandbox", _changes(changes) if changes else ()),
    )
    for title, lines in sections:
        shown = list(lines)
        if shown:
            parts += [Text(f"\n{title}", "bold"), Padding(Group(*shown), (0, 0, 0, 2))]
    return Group(*parts)


def _facts(story: Story, directory: Path) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _rows(story, directory):
        table.add_row(Text(name, "dim"), Text(value))
    return table


def _rows(story: Story, directory: Path) -> Iterator[tuple[str, str]]:
    yield "from", f"{story.source_ip or 'unknown'} port {story.source_port}"
    yield "client", printable(story.client_version or "sent no version")
    user = printable(story.user or "", 60)
    yield "user", f"{user} ({'logged in' if story.logged_in else 'not let in'})"
    yield "started", f"{story.started:%Y-%m-%d %H:%M:%S} UTC"
    if story.ended is None:
        yield "ended", "not yet, or cut off by a crash"
    else:
        yield "ended", f"{story.ended:%Y-%m-%d %H:%M:%S} UTC after {story.seconds:.1f} s"
        yield "because", printable(story.reason or "")
    if story.sandbox:
        yield "sandbox", story.sandbox
    if story.dropped_events:
        yield "dropped", f"{story.dropped_events} events more than a session may write"
    if story.damaged_lines:
        yield "damaged", f"{story.damaged_lines} lines of events cannot be read"
    yield "files", str(directory)


def _credentials(story: Story) -> Iterator[Text]:
    for credential in story.credentials:
        yield _credential(credential)


def _credential(credential: Credential) -> Text:
    mark = ("accepted", "green") if credential.accepted else ("refused ", "red")
    what = f"{credential.method} {printable(credential.user, 60)} / {printable(credential.secret)}"
    return Text.assemble(mark, "  ", what)


def _channels(story: Story) -> Iterator[Text]:
    for channel in story.channels:
        yield _channel(channel)


def _channel(channel: ChannelStory) -> Text:
    status = ending(channel.exit_status, channel.exit_signal)
    terminal = f" on {printable(channel.terminal, 20)}" if channel.terminal else ""
    text = Text(f"{channel.channel}  {channel.kind}{terminal}, {status}")
    text.append(f", {channel.sent_bytes} bytes out, {channel.received_bytes} bytes in", "dim")
    if channel.unrecorded_bytes:
        text.append(f", {channel.unrecorded_bytes} bytes not recorded", "red")
    for line in (channel.command or "").splitlines():
        text.append(f"\n   $ {printable(line, 2000)}", "bold")
    return text


def _changes(changes: Changes) -> Iterator[Text]:
    """List what is no mere directory, as an overlay copies those that hold a change."""
    told = [change for change in changes.changes if change.kind != "directory"]
    for change in told[:MOST_CHANGES]:
        yield _change(change)
    if len(told) > MOST_CHANGES:
        yield Text(f"… and {len(told) - MOST_CHANGES} more: see --json", "dim")
    for why, number in changes.left_out.items():
        yield Text(f"left out: {number} ({printable(why)})", "red")


def _change(change: Change) -> Text:
    text = Text(printable(change.path, 120))
    match change.kind:
        case "file":
            text.append(f"  {change.size} bytes", "dim")
            unread = f"not read: {printable(change.truncated or '')}"
            text.append(f"  {change.sha256 or unread}", "dim")
        case "link":
            text.append(f"  -> {printable(change.target or '')}", "dim")
        case _:
            text.append(f"  {change.kind}", "dim")
    return text


def _plain(text: str) -> Text:
    return Text(printable(text))
