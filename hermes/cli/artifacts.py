"""``hermes artifacts``: what attackers left in sandboxes, listed and taken out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from hermes.cli.options import AsJson, EnvFile
from hermes.cli.output import stdout
from hermes.evidence.artifacts import Artifact, Artifacts
from hermes.evidence.documents import timestamp
from hermes.evidence.store import Brought, bringers
from hermes.settings_source import load
from hermes.text import printable

app = typer.Typer(no_args_is_help=True, help="Files that attackers left: listed, taken out.")


@app.command("list")
def list_artifacts(*, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """List artifacts, newest first, with the sessions whose sandbox had them."""
    root = load(env_file).settings.evidence.dir
    known = bringers(root)
    found = sorted(Artifacts(root / "artifacts").all(), key=lambda a: a.kept, reverse=True)
    rows = [(artifact, known.get(artifact.sha256, Brought(set(), set()))) for artifact in found]
    if as_json:
        typer.echo(json.dumps([_document(*row) for row in rows], indent=1))
    elif rows:
        stdout().print(_table(rows))
    else:
        typer.echo(f"no artifacts in {root}")


@app.command()
def export(
    sha256: Annotated[str, typer.Argument(metavar="SHA256", help="A hash, or how it begins.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="F", help="A new file.")],
    env_file: EnvFile = None,
) -> None:
    """Copy one artifact to a new file that nobody can run; it may be malware."""
    artifacts = Artifacts(load(env_file).settings.evidence.dir / "artifacts")
    artifacts.export(artifacts.find(sha256), output)


def _document(artifact: Artifact, brought: Brought) -> dict[str, Any]:
    return {
        "sha256": artifact.sha256,
        "size": artifact.size,
        "first_seen": timestamp(_moment(artifact)),
        "sessions": sorted(brought.sessions),
        "paths": sorted(brought.paths),
    }


def _table(rows: list[tuple[Artifact, Brought]]) -> Table:
    table = Table(box=None)
    for heading in ("sha256", "size", "first seen (UTC)", "sessions"):
        table.add_column(heading, no_wrap=True)
    table.add_column("as", no_wrap=True, overflow="ellipsis")
    for artifact, brought in rows:
        table.add_row(
            artifact.sha256,
            str(artifact.size),
            f"{_moment(artifact):%Y-%m-%d %H:%M:%S}",
            _shortened(sorted(brought.sessions)),
            Text(printable(next(iter(sorted(brought.paths)), ""), 60)),
        )
    return table


def _shortened(sessions: list[str]) -> str:
    more = f" and {len(sessions) - 1} more" if len(sessions) > 1 else ""
    return f"{sessions[0]}{more}" if sessions else ""


def _moment(artifact: Artifact) -> datetime:
    return datetime.fromtimestamp(artifact.kept, UTC)
