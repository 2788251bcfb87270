"""`detect-gateway detect`: the boxes of image files, from a running gateway or from one made for the occasion."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import output
from api.cli.console import err, note, out, screen
from api.cli.detect_files import DetectOptions, Job, detect_files
from api.cli.images import Found, find_images
from api.cli.record import Record
from api.schema import TILES

if TYPE_CHECKING:
    from api.cli.drawings import Drawings

SOME_FAILED = 3


def _file(name: str) -> Path:
    if name.endswith(("/", os.sep)) or os.path.isdir(name):
        raise typer.BadParameter(f"{name} is a folder: name a file.")
    return Path(name)


def _grid(tiles: str) -> str:
    if not re.fullmatch(TILES, tiles):
        raise typer.BadParameter(f"{tiles} is neither 'auto' nor rows and columns such as 2x3.")
    return tiles


def detect(
    images: Annotated[list[str], typer.Argument(help="Image files, folders, or patterns such as 'in/**/*.jpg'.")],
    url: Annotated[
        str | None, typer.Option(help="URL of a running gateway. Default: start one for this command.")
    ] = None,
    key: Annotated[str | None, typer.Option(envvar="DETECT_API_KEY", help="API key, if required.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of the gateway's model. Default: its first.")] = None,
    min_score: Annotated[float | None, typer.Option(min=0.01, max=1, help="Confidence threshold.")] = None,
    tiles: Annotated[
        str | None, typer.Option(parser=_grid, help="Tiles for small objects: 'auto', or rows and columns such as 2x3.")
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Concurrent requests.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print the native responses, one per line.")] = False,
    coco: Annotated[Path | None, typer.Option(parser=_file, help="Write COCO results to this file.")] = None,
    draw: Annotated[
        str | None, typer.Option(help="Write the images with bounding boxes: a .jpg, .png or .webp file, or a folder.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(parser=_file, help="Save responses to this file, and resume from it.")
    ] = None,
) -> None:
    """Detect objects in images: prints a table or JSON, writes COCO results or annotated images.

    Exit codes: 0 success, 1 nothing could be sent or written, 2 wrong usage, 3 some images failed.
    """
    found = _found(images)
    tally = output.Tally()
    drawings, record = _places(found.files, coco, draw, save)
    with record or nullcontext(), _outputs(found.files, as_json, coco) as outputs:

        def tell(outcome: output.Outcome) -> None:
            tally(outcome)
            for one in outputs:
                one(outcome)
            if screen.error and not (coco or draw or save):
                raise screen.error  # nothing more can be printed

        options = DetectOptions(url, key, model, min_score, tiles, parallel)
        asyncio.run(detect_files(options, Job(found.files, record, drawings, tally, tell)))
    for line in tally.summary(found, {"COCO's results": coco, "Drawn images": draw, "Saved answers": save}):
        note(line)
    raise typer.Exit(SOME_FAILED if tally.problems or tally.not_drawn or found.unreadable else 0)


@contextmanager
def _outputs(files: list[str], as_json: bool, coco: Path | None) -> Iterator[list[Callable[[output.Outcome], object]]]:
    """What hears of each image: the terminal, the file of COCO results, the progress bar."""
    with ExitStack() as stack:
        outputs: list[Callable[[output.Outcome], object]] = [
            stack.enter_context(output.lines() if as_json else output.tables())
        ]
        if coco:
            outputs.append(stack.enter_context(output.coco_results(coco, files)))
        step = stack.enter_context(_progress(len(files), as_json))
        yield [*outputs, lambda _: step()]


def _found(names: list[str]) -> Found:
    try:
        found = find_images(names)
    except FileNotFoundError as error:
        raise typer.BadParameter(f"no image, folder or match for {error}") from error
    if found.files:
        return found
    for folder in found.unreadable:
        note(f"Folder not read: {folder}.")
    raise typer.BadParameter(f"no images found; {found.skipped} other files were skipped")


def _places(
    files: list[str], coco: Path | None, draw: str | None, save: Path | None
) -> "tuple[Drawings | None, Record | None]":
    """Where to draw and to save, opened before anything is asked. No output is an image that is asked about."""
    try:
        drawings = _drawings(draw, files) if draw else None
        if coco and save and coco.resolve() == save.resolve():
            raise ValueError(f"{coco} cannot hold both --coco and --save")
        output.refuse_overwriting(files, filter(None, (coco, save)))
        if drawings:
            output.refuse_overwriting(files, map(drawings.target, files))
            drawings.open()
        return drawings, Record(save) if save else None
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error


def _drawings(target: str, files: list[str]) -> "Drawings":
    from api.cli.drawings import Drawings  # with Pillow, a tenth of the start, which most do not need

    return Drawings(target, files)


@contextmanager
def _progress(images: int, as_json: bool) -> Iterator[Callable[[], None]]:
    """A bar on the terminal, unless answers show up there by and by, and what moves it on by an image."""
    if not err.is_terminal or (out.is_terminal and (as_json or images > output.TABLE_IMAGES)):
        yield lambda: None
        return
    from rich.progress import Progress  # another tenth

    with Progress(console=err, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        bar = progress.add_task("images", total=images)
        yield lambda: progress.advance(bar)
