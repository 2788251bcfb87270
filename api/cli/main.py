"""The command line: `detect-gateway serve | detect | settings | key`, one file a command."""

import typer

from api.cli import detect, key, serve, settings
from api.cli.console import stop
from api.client import GatewayError
from api.errors import DetectError, InvalidSetting

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="A plain HTTP API for an object detector.")
for command in (serve.serve, detect.detect, settings.settings, key.key):
    cli.command()(command)


def main() -> None:
    """Entry point: a known error is one clear line and exit code 1."""
    try:
        cli()
    except (DetectError, GatewayError, InvalidSetting) as error:
        stop(str(error))
    except OSError as error:
        stop(f"{error.filename}: {error.strerror}." if error.filename else str(error))
