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
from rich.progress import Progress

from api import asking, listing, outcome
from api.asking import Answer
from api.client import GatewayError
from api.errors import DetectError, InvalidSetting
from api.keys import Keys, new_key
from api.schema import ModelCard, Problem
from api.settings import Settings

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="A plain HTTP API for an object detector.")
out, err = Console(), Console(stderr=True)
SOME_FAILED = 3


def main() -> None:
    """Entry point: what we know to be wrong becomes one clear line and exit code 1."""
    try:
        cli()
    except (DetectError, GatewayError, InvalidSetting) as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"{error.filename}: {error.strerror}." if error.filename else str(error))


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
    """Start the gateway, with its embedded endpoint where the settings name none."""
    from api import serving  # a second of imports that the other commands do not need

    settings = _settings(host=host, port=port, workers=workers, root_path=root_path, no_auth=no_auth)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serving.serve(settings, out)


@cli.command()
def detect(
    pictures: Annotated[list[str], typer.Argument(help="Picture files, folders, or patterns such as 'in/**/*.jpg'.")],
    url: Annotated[str | None, typer.Option(help="A running gateway. Unset: the detector runs here, once.")] = None,
    key: Annotated[str | None, typer.Option(envvar="DETECT_API_KEY", help="API key, where the gateway asks.")] = None,
    model: Annotated[str | None, typer.Option(help="Which of the gateway's models. Unset: its first.")] = None,
    min_score: Annotated[float | None, typer.Option(min=0.01, max=1, help="Least score of a box.")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Pictures asked about at a time.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print the native answers, one a line.")] = False,
    coco: Annotated[Path | None, typer.Option(help="Write COCO's results to this file.")] = None,
    draw: Annotated[Path | None, typer.Option(help="Write the pictures with their boxes: a file, or a folder.")] = None,
    save: Annotated[Path | None, typer.Option(help="Keep answers in this file, and go on from there.")] = None,
) -> None:
    """Find the objects in pictures: a table, JSON, COCO's results, drawn pictures.

    Exit codes: 0 all are answered, 1 nothing could be asked or written, 2 wrong usage, 3 some pictures have a problem.
    """
    for place in filter(None, (coco, draw, save)):
        place.parent.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is asked
    found, card = _ask(asking.Question(url, key, model, min_score, parallel), _files(pictures), save)
    for picture, answer in found.items() if as_json else ():
        sys.stdout.write(outcome.one_line(picture, answer))
    if not as_json:
        out.print(outcome.table(found))
    if coco:
        outcome.write_coco(found, card.labels, coco)
    if draw:
        outcome.draw_all(found, draw)
    raise typer.Exit(SOME_FAILED if any(isinstance(answer, Problem) for answer in found.values()) else 0)


def _files(names: list[str]) -> list[Path]:
    try:
        files = list(dict.fromkeys(asking.pictures(names)))
    except FileNotFoundError as error:
        raise typer.BadParameter(f"there is no picture, folder or match of {error}") from error
    if not files:
        raise typer.BadParameter("there are no pictures in there")
    return files


def _ask(question: asking.Question, files: list[Path], save: Path | None) -> tuple[dict[Path, Answer], ModelCard]:
    """The answers in the order of the files, those of an earlier run from its record; what the model is."""
    found: dict[Path, Answer] = dict(outcome.recorded(save)) if save else {}
    left = [file for file in files if file not in found]
    with (
        Progress(console=err, transient=True, disable=not err.is_terminal) as progress,
        outcome.recording(save) as keep,
    ):
        bar = progress.add_task("pictures", total=len(files), completed=len(files) - len(left))

        def done(file: Path, answer: Answer) -> None:
            found[file] = answer
            keep(file, answer)
            progress.advance(bar)

        card = asyncio.run(asking.ask(_settings(), question, left, done))
    return {file: found[file] for file in files}, card


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
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is; letters, digits, dots and dashes.")],
    admin: Annotated[bool, typer.Option("--admin", help="It may also reload models.")] = False,
) -> None:
    """Make an API key: the key for its owner, and the entry for DETECT_API_KEYS. The key is shown this once."""
    made, entry = new_key(name, admin)
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
        setting, *inside = first["loc"]
        within = "".join(f"[{part}]" for part in inside)
        _stop(f"DETECT_{str(setting).upper()}{within}={first['input']!r}: {first['msg']}.")


def _stop(reason: str) -> NoReturn:
    err.print(f"detect-gateway: {reason}", style="red", highlight=False, markup=False, soft_wrap=True)
    raise SystemExit(1)
