"""`detect-gateway detect`: the boxes of image files, from a running gateway or from one made for the occasion."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from api.cli import output
from api.cli.console import err, out, settings_with
from api.cli.detect_files import Answer, DetectOptions, detect_files, image_files
from api.schema import ModelCard, Problem

SOME_FAILED = 3


def detect(
    images: Annotated[list[str], typer.Argument(help="Image files, folders, or patterns such as 'in/**/*.jpg'.")],
    url: Annotated[str | None, typer.Option(help="A running gateway. Unset: the detector runs here, once.")] = None,
    key: Annotated[str | None, typer.Option(envvar="DETECT_API_KEY", help="API key, where the gateway asks.")] = None,
    model: Annotated[str | None, typer.Option(help="Which of the gateway's models. Unset: its first.")] = None,
    min_score: Annotated[float | None, typer.Option(min=0.01, max=1, help="Confidence threshold.")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Concurrent requests.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print the native answers, one a line.")] = False,
    coco: Annotated[Path | None, typer.Option(help="Write COCO's results to this file.")] = None,
    draw: Annotated[Path | None, typer.Option(help="Write the images with their boxes: a file, or a folder.")] = None,
    save: Annotated[Path | None, typer.Option(help="Keep answers in this file, and go on from there.")] = None,
) -> None:
    """Find the objects in images: a table, JSON, COCO's results, drawn images.

    Exit codes: 0 all are answered, 1 nothing could be asked or written, 2 wrong usage, 3 some images have a problem.
    """
    for place in filter(None, (coco, draw, save)):
        place.parent.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before anything is asked
    answers, card = _detect(DetectOptions(url, key, model, min_score, parallel), _files(images), save)
    for image, answer in answers.items() if as_json else ():
        sys.stdout.write(output.one_line(image, answer))
    if not as_json:
        out.print(output.table(answers))
    if coco:
        output.write_coco(answers, card.labels, coco)
    if draw:
        output.draw_all(answers, draw)
    raise typer.Exit(SOME_FAILED if any(isinstance(answer, Problem) for answer in answers.values()) else 0)


def _files(names: list[str]) -> list[Path]:
    try:
        files = list(dict.fromkeys(image_files(names)))
    except FileNotFoundError as error:
        raise typer.BadParameter(f"there is no image, folder or match of {error}") from error
    if not files:
        raise typer.BadParameter("there are no images in there")
    return files


def _detect(options: DetectOptions, files: list[Path], save: Path | None) -> tuple[dict[Path, Answer], ModelCard]:
    """The answers in the order of the files, those of an earlier run from its record; what the model is."""
    answers: dict[Path, Answer] = dict(output.recorded(save)) if save else {}
    left = [file for file in files if file not in answers]
    with (
        Progress(console=err, transient=True, disable=not err.is_terminal) as progress,
        output.recording(save) as keep,
    ):
        bar = progress.add_task("images", total=len(files), completed=len(files) - len(left))

        def done(file: Path, answer: Answer) -> None:
            answers[file] = answer
            keep(file, answer)
            progress.advance(bar)

        card = asyncio.run(detect_files(settings_with(), options, left, done))
    return {file: answers[file] for file in files}, card
