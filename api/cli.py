"""The command line: `detect-gateway serve | detect | settings | key`."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from api import asking, listing, serving
from api.errors import DetectError, InvalidSetting
from api.keys import Keys, new_key
from api.settings import Settings

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="A plain HTTP API for an object detector.")
out, err = Console(), Console(stderr=True)


def main() -> None:
    """Entry point: what we know to be wrong becomes one clear line and exit code 1."""
    try:
        cli()
    except (DetectError, InvalidSetting) as error:
        _stop(str(error))


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 lets the system choose.")] = None,
    workers: Annotated[int | None, typer.Option(help="Gateway processes.")] = None,
    root_path: Annotated[str | None, typer.Option(help="Path prefix that a proxy in front strips.")] = None,
    no_auth: Annotated[
        bool | None, typer.Option("--no-auth", help="Let anybody in who reaches a public address.")
    ] = None,
) -> None:
    """Start the gateway, with its embedded endpoint where DETECT_ENDPOINT_NAME names none."""
    settings = _settings(host=host, port=port, workers=workers, root_path=root_path, no_auth=no_auth)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serving.serve(settings, out)


@cli.command()
def detect(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.", exists=True, dir_okay=False)],
    url: Annotated[str | None, typer.Option(help="A running gateway. Unset: the detector runs here, once.")] = None,
    draw: Annotated[Path | None, typer.Option(help="Write the pictures with their boxes: a file, or a folder.")] = None,
    min_score: Annotated[float | None, typer.Option(min=0.01, max=1, help="Least score of a box.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the native answers, one a line.")] = False,
) -> None:
    """Find the objects in pictures: a table, or JSON. Exit code 1 if a picture failed."""
    answers = asyncio.run(asking.ask(_settings(), pictures, url, min_score))
    for picture, answer in answers.items():
        if draw and "detections" in answer:
            asking.draw(picture, answer, draw / picture.name if len(pictures) > 1 or draw.is_dir() else draw)
        if as_json:
            sys.stdout.write(asking.one_line(answer))
    if not as_json:
        out.print(asking.table(answers))
    raise typer.Exit(any("detections" not in answer for answer in answers.values()))


@cli.command()
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/settings.md has them, with defaults.")] = False,
) -> None:
    """List every setting: its environment variable, its value now, what it does."""
    if markdown:
        sys.stdout.write(listing.as_markdown())
    else:
        out.print(listing.as_table(_settings()))


@cli.command()
def key(name: Annotated[str, typer.Argument(help="Whose key it is; letters, digits, dots and dashes.")]) -> None:
    """Make an API key: the key for its owner, and the entry for DETECT_API_KEYS. The key is shown this once."""
    made, entry = new_key(name)
    try:
        Keys([entry])
    except ValueError:
        _stop(f"{name!r} is no name for a key: at most 64 letters, digits, dots and dashes.")
    sys.stdout.write(f"key    {made}\nentry  {entry}\n")


def _settings(**options: object) -> Settings:
    """The settings; options of the command line win, for worker processes too."""
    for name, value in options.items():
        if value is not None:
            os.environ[f"DETECT_{name.upper()}"] = str(value)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        _stop(f"DETECT_{str(first['loc'][0]).upper()}={first['input']!r}: {first['msg']}.")


def _stop(reason: str) -> NoReturn:
    err.print(f"detect-gateway: {reason}", style="red", highlight=False, soft_wrap=True)
    raise SystemExit(1)
