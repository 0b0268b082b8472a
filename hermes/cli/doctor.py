"""``hermes doctor``: every check of host and configuration, with its fix."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import typer
from rich.text import Text

from hermes.cli.options import AsJson, EnvFile
from hermes.cli.output import stdout
from hermes.doctor.check import Check, Status
from hermes.doctor.examination import examine
from hermes.settings_source import load

_MARKS: Final = {
    Status.OK: ("✓", "green"),
    Status.WARN: ("!", "yellow"),
    Status.FAIL: ("✗", "bold red"),
}
_NAME_WIDTH: Final = 14
_INDENT: Final = 4


def doctor(*, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Check host, podman, decoy and settings; status 1 when something must change."""
    checks = asyncio.run(examine(load(env_file).settings))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        _show(checks)
    if any(check.status is Status.FAIL for check in checks):
        raise typer.Exit(1)


def _show(checks: Sequence[Check]) -> None:
    console = stdout()
    for check in checks:
        mark, style = _MARKS[check.status]
        console.print(
            Text.assemble((mark, style), f" {check.name:{_NAME_WIDTH}} ", check.found),
            soft_wrap=True,
        )
        if check.fix:
            # Whole, so that a command can be copied.
            console.print(Text(" " * _INDENT + check.fix, "dim"), soft_wrap=True)
    counts = [sum(check.status is status for check in checks) for status in Status]
    console.print("{} ok, {} to look at, {} to mend".format(*counts))
