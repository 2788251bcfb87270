"""What all commands share: the terminal, and the settings with the command's options."""

import os
from typing import NoReturn

from pydantic import ValidationError
from rich.console import Console

from api.settings import Settings

SECRET = {"api_keys", "redis_url"}
out, err = Console(), Console(stderr=True)


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
    err.print(f"detect-gateway: {reason}", style="red", highlight=False, markup=False, soft_wrap=True)
    raise SystemExit(1)
