"""``python -m tests.benchmark --account USER -- COMMAND...``, where ``COMMAND up`` is hermes."""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console

from hermes.errors import HermesError
from tests.benchmark.client import BenchmarkError
from tests.benchmark.figures import table
from tests.benchmark.honeypot import hermes
from tests.benchmark.openssh import openssh
from tests.benchmark.processes import adopt_orphans
from tests.benchmark.run import Sizes, run, start
from tests.benchmark.stock import FULL

_FEWEST_ROUNDS: Final = 20
_INTERRUPTED: Final = 130


def main() -> int:
    """Run the benchmark; 0 when everything is reached, 1 when not."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    honeypot = (arguments.command, arguments.account, arguments.image)
    try:
        adopt_orphans()
        with console.status("starting hermes") as status:
            with hermes(*honeypot) as ours, openssh() as theirs:
                sizes = Sizes(arguments.rounds, arguments.failures)
                figures = run(ours, theirs, sizes, status.update)
            # Last: the first start may have had to build the decoy.
            figures += start(lambda: hermes(*honeypot, size=FULL), status.update)
    except (BenchmarkError, HermesError) as error:
        console.print(f"benchmark: {error}", style="red", highlight=False)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    console.print(table(figures))
    if arguments.json is not None:
        documents = [figure.to_json() for figure in figures]
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")
    return 0 if all(figure.reached for figure in figures) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--account", required=True, help="the user that COMMAND becomes")
    parser.add_argument("--image", help="image of the sandboxes; the decoy when left out")
    parser.add_argument("--rounds", type=int, default=_FEWEST_ROUNDS, help="logins of each kind")
    parser.add_argument("--failures", type=int, default=1000, help="failed logins on hermes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what runs hermes")
    return parser.parse_args()


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
