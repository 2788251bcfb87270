"""What all commands share: the terminal, and the settings with the command's options."""

import io
import os
import sys
from contextlib import suppress
from typing import NoReturn

from pydantic import ValidationError
from rich.console import Console, RenderableType
from rich.text import Text

from api.settings import Settings

SECRET = {"api_keys", "redis_url"}
out, err = Console(), Console(stderr=True)


class Screen:
    """Standard output. Printing never fails: after a first error nothing more is printed, and `error` is its cause."""

    error: OSError | None = None

    def write(self, text: str) -> None:
        """Print this text, at once."""
        if self.error or sys.stdout is None:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            self.error = error
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python's last flush goes

    def show(self, what: RenderableType) -> None:
        """Print a table or a styled text."""
        with out.capture() as printed:
            out.print(what, soft_wrap=isinstance(what, Text))
        self.write(printed.get())


screen = Screen()


def escape_unprintable() -> None:
    """Have what the terminal's encoding lacks printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(name: object) -> str:
    """A file's name for the terminal: control characters and bytes that are no text as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(name))


def note(text: str, style: str = "") -> None:
    """Print one line on standard error, if anybody can read it."""
    with err.capture() as printed:
        err.print(Text(text, style), soft_wrap=True)
    with suppress(OSError, AttributeError):
        sys.stderr.write(printed.get())


def settings_with(**options: object) -> Settings:
    """The settings; options of the command line win, for worker processes too."""
    for name, value in options.items():
        if value is not None:
            os.environ[f"DETECT_{name.upper()}"] = str(value)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            stop(f"{first['msg'].removeprefix('Value error, ')}.")
        setting, *inside = first["loc"]
        within = "".join(f"[{part}]" for part in inside)
        value = "…" if setting in SECRET else f"{first['input']!r}"
        stop(f"DETECT_{str(setting).upper()}{within}={value}: {first['msg']}.")


def stop(reason: str) -> NoReturn:
    """End with one line on standard error and exit code 1."""
    note(f"detect-gateway: {printable(reason)}", style="red")
    raise SystemExit(1)
