"""Log lines on stderr, as text or JSON, in UTC."""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Final

from hermes.evidence.documents import timestamp
from hermes.settings import LogSettings

_EXTRAS: Final = ("session", "action")


class TextFormatter(logging.Formatter):
    """``TIME LEVEL message``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """UTC to the second."""
        del datefmt
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


class JsonFormatter(logging.Formatter):
    """One object on a line, with ECS names."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        document: dict[str, object] = {
            "@timestamp": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "message": record.getMessage(),
        }
        document |= {name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)}
        if record.exc_info:
            document["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(document, separators=(",", ":"))


def configure(settings: LogSettings, handler: logging.Handler | None = None) -> None:
    """Send Hermes' log to ``handler``, or to stderr; other libraries only when they warn."""
    # No format of ours shows them, and they would be looked up for every line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler or logging.StreamHandler(sys.stderr)]
    root.setLevel(logging.WARNING)
    adjust(settings)
    # What attackers make asyncssh complain about is evidence, not trouble.
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)


def adjust(settings: LogSettings) -> None:
    """Bring level and format into force, wherever the log goes."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    logging.getLogger("hermes").setLevel(settings.level.upper())
