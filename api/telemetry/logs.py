"""Logs on standard error: one line an event, as JSON for machines or plain for people. No image, no key."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any, Literal

# At debug these would write bodies and signatures.
TALKATIVE = ("PIL", "asyncio", "boto3", "botocore", "multipart", "python_multipart", "urllib3")

_ENCODER = json.JSONEncoder(default=str)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
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
        return _ENCODER.encode(entry)


class PlainLines(logging.Formatter):
    """Time, level, message, then the event's own fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback where there is one."""
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {record.getMessage()}"
        line += "".join(f" {name}={_plain(value)}" for name, value in _flat(fields(record)))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


FORMATTERS: dict[str, type[logging.Formatter]] = {"json": JsonLines, "console": PlainLines}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What an event was logged with as `extra={"fields": …}`."""
    found: dict[str, Any] = getattr(record, "fields", {})
    return found


def configure(format: Literal["json", "console"], level: str) -> None:
    """Send all of this process's logs, uvicorn's and Python's warnings among them, through one formatter."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[format]())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # in no line, and asked for each
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))


def _flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Fields within fields as `image.width`."""
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
