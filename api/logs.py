"""How the service's processes write their logs: lines for people, or one JSON object per line for a log collector."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogFormat(StrEnum):
    """What a line of a log looks like."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `time` (UTC), `level`, `logger`, `message`, `process` and, after an error, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        fields: dict[str, str | int] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process or 0,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def start_logging(form: LogFormat, *, level: int = logging.INFO, text: str = TEXT) -> None:
    """Send everything logged in this process to stderr.

    Args:
        form: What a line looks like.
        level: Less important records are dropped.
        text: The pattern of a line for people.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else logging.Formatter(text))
    logging.basicConfig(level=level, handlers=[handler])
    # It tells of every start that the schema is as it should be.
    logging.getLogger("alembic").setLevel(logging.WARNING)
