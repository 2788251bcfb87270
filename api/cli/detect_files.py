"""`detect-gateway detect`: asks a gateway, running elsewhere or made here for the occasion, about image files."""

import asyncio
import glob
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from api.client import AsyncClient, GatewayError
from api.errors import EndpointUnavailable
from api.schema import Detections, ModelCard, Problem
from api.settings import Settings

Answer = Detections | Problem
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class DetectOptions:
    """Parameters of every request, and of whom it is asked; `url` None: a gateway is made here."""

    url: str | None = None
    key: str | None = None
    model: str | None = None
    min_score: float | None = None
    parallel: int = 4

    @property
    def query(self) -> dict[str, str | float]:
        """The parameters that are sent."""
        said = {"model": self.model, "min_score": self.min_score}
        return {name: value for name, value in said.items() if value is not None}


def image_files(names: list[str]) -> Iterator[Path]:
    """The files that are meant: themselves, those in folders and below, those that match a pattern.

    Raises FileNotFoundError for a name that is none of them.
    """
    for name in names:
        path = Path(name)
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
        elif path.is_file():
            yield path
        elif found := sorted(filter(Path.is_file, map(Path, glob.glob(name, recursive=True)))):
            yield from found
        else:
            raise FileNotFoundError(name)


async def detect_files(
    settings: Settings, options: DetectOptions, files: list[Path], done: Callable[[Path, Answer], None]
) -> ModelCard:
    """Ask about each file; `done` hears each answer as it comes. Returns what the model is.

    Raises EndpointUnavailable, and GatewayError where not even the model can be asked for.
    """
    async with _gateway(settings, options) as client:
        await _until_ready(client, options)
        model = await client.model(options.model)
        waiting = iter(files)

        async def work() -> None:
            for file in waiting:
                done(file, await _answer(client, file, options))

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(options.parallel, len(files))):
                workers.create_task(work())
    return model


async def _answer(client: AsyncClient, file: Path, options: DetectOptions) -> Answer:
    try:
        return await client.detect(file.read_bytes(), **options.query)
    except GatewayError as error:
        return error.problem
    except OSError as error:
        return _unreadable(error)


def _unreadable(error: OSError) -> Problem:
    """A file's own problem, as if the gateway had told it; no status of HTTP's is meant."""
    said = {"title": "The file cannot be read", "detail": error.strerror or type(error).__name__, "status": 0}
    return Problem.model_validate(
        {**said, "type": "about:blank", "instance": "", "code": "unreadable-file", "retryable": False, "request_id": ""}
    )


@asynccontextmanager
async def _gateway(settings: Settings, options: DetectOptions) -> AsyncIterator[AsyncClient]:
    if options.url is not None:
        async with AsyncClient(options.url, options.key) as client:
            yield client
        return
    from api.cli.embedded_gateway import gateway_here  # a second of imports that asking a running gateway does not need

    os.environ.setdefault("DETECT_LOG_LEVEL", "warning")  # its endpoint tells nothing but what goes wrong
    with gateway_here(settings) as transport:
        async with AsyncClient("http://here", transport=transport) as client:
            yield client


async def _until_ready(client: AsyncClient, options: DetectOptions, seconds: float = 60) -> None:
    """A gateway that is not there at all is not waited for."""
    try:
        async with asyncio.timeout(seconds):
            while not await client.ready(options.model):
                await asyncio.sleep(0.1)
    except (GatewayError, TimeoutError) as error:
        if isinstance(error, GatewayError) and error.problem.code == "unknown-model":
            raise
        raise EndpointUnavailable(f"No ready gateway answers at {options.url or 'this machine'}.") from error
