"""Logs on standard error, one line an event, in the gateway's format: it shares a terminal with this process."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class PlainLines(logging.Formatter):
    """Time, level, message, then the event's own fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and a traceback where there is one."""
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {record.getMessage()}"
        line += "".join(f" {name}={plain(value)}" for name, value in fields(record).items())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure() -> None:
    """Log as DETECT_LOG_FORMAT and DETECT_LOG_LEVEL say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if os.environ.get("DETECT_LOG_FORMAT") == "json" else PlainLines())
    logging.basicConfig(handlers=[handler], level=os.environ.get("DETECT_LOG_LEVEL", "info").upper())


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what an event was logged with as `extra={"fields": …}`."""
    found: dict[str, Any] = getattr(record, "fields", {})
    return found


def plain(value: object) -> str:
    """Return a value that has no space and no line end in it, in quotes where it needs them."""
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
