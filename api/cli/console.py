"""What all commands share: the terminal, and the settings with the command's options."""

import io
import os
import sys
from typing import TYPE_CHECKING, Literal, NoReturn, TextIO, cast

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from api.errors import InvalidSetting

if TYPE_CHECKING:
    from api.settings import Settings

SECRET = {"api_keys", "redis_url"}


class Screen:
    """Standard output or error, to which printing never fails: after a first error, its `error`, nothing is printed."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name = name
        self.error: OSError | None = None

    @property
    def _stream(self) -> TextIO | None:
        stream: TextIO | None = getattr(sys, self._name)
        return stream

    def write(self, text: str) -> int:
        """Print this text, at once."""
        if self._stream and not self.error:
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError as error:
                self.error = error
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # where Python's last flush goes
        return len(text)

    def flush(self) -> None:
        """All is printed at once."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return bool(self._stream and self._stream.isatty())

    @property
    def encoding(self) -> str:
        """The terminal's."""
        return self._stream.encoding if self._stream else "utf-8"


screen = Screen("stdout")
out, err = Console(file=cast(TextIO, screen)), Console(file=cast(TextIO, Screen("stderr")))


def escape_unprintable() -> None:
    """Have what the terminal's encoding lacks printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(name: object) -> str:
    """A file's name for the terminal: control characters and bytes that are no text as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(name))


def note(text: str, style: str = "") -> None:
    """Print one line on standard error."""
    err.print(Text(text, style), soft_wrap=True)


def settings_with(**options: object) -> "Settings":
    """The settings; options of the command line win, for worker processes too."""
    from api.settings import Settings  # a fifth of the start, which asking a running gateway does not need

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


def refuse_windows() -> None:
    """Raise InvalidSetting on Windows, which lacks what a gateway needs: Unix sockets and limits for processes."""
    if sys.platform == "win32":
        raise InvalidSetting("A gateway needs Linux or macOS: on Windows run it in WSL or with Docker.")


def stop(reason: str) -> NoReturn:
    """End with one line on standard error and exit code 1."""
    note(f"detect-gateway: {printable(reason)}", style="red")
    raise SystemExit(1)
