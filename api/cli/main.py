"""The command line: `detect-gateway serve | detect | settings | key`, one file a command."""

from importlib.metadata import version
from typing import Annotated

import typer

from api.cli import detect, key, serve, settings
from api.cli.console import escape_unprintable, screen, stop
from api.client import GatewayError
from api.errors import DetectError, InvalidSetting

cli = typer.Typer(no_args_is_help=True, help="Object detection as an HTTP API: images in, bounding boxes out.")
for command in (serve.serve, detect.detect, settings.settings, key.key):
    cli.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        screen.write(f"detect-gateway {version('detect-gateway')}\n")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Object detection as an HTTP API: images in, bounding boxes out."""


def main() -> None:
    """Entry point: a known error is one clear line and exit code 1."""
    escape_unprintable()
    try:
        cli()
    except SystemExit:
        if screen.error and not isinstance(screen.error, BrokenPipeError):
            stop(f"The output is incomplete: {screen.error.strerror}.")
        raise
    except (DetectError, GatewayError, InvalidSetting) as error:
        stop(str(error))
    except OSError as error:
        stop(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}.")
