"""`detect-gateway detect`: asks a gateway, running elsewhere or made here for the occasion, about image files."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.console import refuse_windows, settings_with
from api.cli.output import Outcome, Tally
from api.cli.record import Answer, Record
from api.client import AsyncClient, GatewayError
from api.errors import DetectError, EndpointUnavailable
from api.schema import Detections, Problem

if TYPE_CHECKING:
    from api.cli.drawings import Drawings

AHEAD = 8  # images for each concurrent request that may be ahead of the one whose answer is told next


@dataclass(frozen=True)
class DetectOptions:
    """Parameters of every request, and of whom it is asked; `url` None: a gateway is made here."""

    url: str | None = None
    key: str | None = None
    model: str | None = None
    min_score: float | None = None
    tiles: str | None = None
    parallel: int = 4


@dataclass(frozen=True)
class Job:
    """The files, and what happens with each answer: at once `record` and `drawings`; in their order, `tell`."""

    files: list[str]
    record: Record | None
    drawings: "Drawings | None"
    tally: Tally
    tell: Callable[[Outcome], None]


async def detect_files(options: DetectOptions, job: Job) -> None:
    """Ask about each file. Memory does not grow with the number of answers.

    Raises EndpointUnavailable, GatewayError where not even the model can be asked for, and what `job` raises.
    """
    async with _gateway(options) as client:
        await _until_ready(client, options)
        model = await client.model(options.model)
        free, waiting = asyncio.Semaphore(options.parallel), deque[asyncio.Task[Answer]]()

        async def work(file: str) -> Answer:
            async with free:
                return await _work(client, options, job, file)

        async def tell_next() -> None:
            answer = await waiting[0]
            waiting.popleft()
            told = job.tally.images
            job.tell(Outcome(told + 1, job.files[told], answer, model.labels))

        try:
            for file in job.files:
                waiting.append(asyncio.create_task(work(file)))
                if len(waiting) > options.parallel * AHEAD:
                    await tell_next()
            while waiting:
                await tell_next()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


async def _work(client: AsyncClient, options: DetectOptions, job: Job, file: str) -> Answer:
    """The answer of an earlier run, else the gateway's; written down and drawn."""
    answer: Answer | None = job.record.answer(file) if job.record else None
    if answer is not None:
        job.tally.recorded += 1
    else:
        answer = await _ask(client, options, file)
        if job.record:
            job.record.keep(file, answer)
    if job.drawings and isinstance(answer, Detections):
        try:
            await asyncio.to_thread(job.drawings.draw, file, answer)
        except (DetectError, OSError) as error:
            job.tally.not_drawn += 1
            job.tally.first_not_drawn = job.tally.first_not_drawn or f"{file}: {error}"
    return answer


async def _ask(client: AsyncClient, options: DetectOptions, file: str) -> Answer:
    try:
        parameters = {"model": options.model, "min_score": options.min_score, "tiles": options.tiles}
        return await client.detect(Path(file), **parameters)
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
async def _gateway(options: DetectOptions) -> AsyncIterator[AsyncClient]:
    if options.url is not None:
        async with AsyncClient(options.url, options.key) as client:
            yield client
        return
    refuse_windows()
    from api.cli.embedded_gateway import gateway_here

    os.environ.setdefault("DETECT_LOG_LEVEL", "warning")  # its endpoint tells nothing but what goes wrong
    async with gateway_here(settings_with()) as transport, AsyncClient("http://here", transport=transport) as client:
        yield client


async def _until_ready(client: AsyncClient, options: DetectOptions, seconds: float = 60) -> None:
    """A gateway that starts is waited for, one that is not there is not."""
    try:
        async with asyncio.timeout(seconds):
            while not await client.ready(options.model):
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        where = options.url or "this machine"
        raise EndpointUnavailable(
            f"The gateway at {where} is not ready: it says that its model cannot answer."
        ) from error
