"""`detect-gateway detect`: asks a gateway, running elsewhere or made here for the occasion, about picture files."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from rich.table import Table

from api.app import create_app
from api.drawing import Encoding, annotate
from api.endpoint import connect
from api.errors import EndpointUnavailable
from api.local import embedded_endpoint
from api.picture import admit
from api.render import marks
from api.schema import Detections
from api.settings import FORMATS, Settings

Answer = dict[str, Any]
NO_LIMIT = 1 << 62
ENCODINGS: dict[str, Encoding] = {".png": "png", ".webp": "webp"}


async def ask(settings: Settings, pictures: list[Path], url: str | None, min_score: float | None) -> dict[Path, Answer]:
    """The gateway's answer, or its problem, for each picture."""
    query = {} if min_score is None else {"min_score": min_score}
    async with _gateway(settings, url) as gateway:
        await _until_ready(gateway)
        return {picture: await _ask_one(gateway, picture, query) for picture in pictures}


async def _ask_one(gateway: httpx2.AsyncClient, picture: Path, query: dict[str, float]) -> Answer:
    response = await gateway.post("/detect", files={"image": picture.read_bytes()}, params=query)
    answer: Answer = response.json()
    return answer


@asynccontextmanager
async def _gateway(settings: Settings, url: str | None) -> AsyncIterator[httpx2.AsyncClient]:
    with ExitStack() as stack:
        transport = None
        if url is None:
            if not settings.endpoint_name:
                embedded = stack.enter_context(embedded_endpoint(settings.model_dir))
                settings = settings.model_copy(update={"embedded_url": embedded})
            transport = httpx2.ASGITransport(create_app(settings, connect(settings)))
        async with httpx2.AsyncClient(base_url=url or "http://here", transport=transport, timeout=60) as client:
            yield client


async def _until_ready(gateway: httpx2.AsyncClient, seconds: float = 60) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await gateway.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.1)
    except (httpx2.HTTPError, TimeoutError) as error:
        raise EndpointUnavailable(f"No ready gateway answers at {gateway.base_url}.") from error


def draw(picture: Path, answer: Answer, to: Path) -> None:
    """The picture with the answer's boxes: as JPEG or, where the name ends so, PNG or WebP."""
    to.parent.mkdir(parents=True, exist_ok=True)
    admitted = admit(picture.read_bytes(), FORMATS, NO_LIMIT, NO_LIMIT)
    found = Detections.model_validate(answer).detections
    to.write_bytes(annotate(admitted, marks(found), ENCODINGS.get(to.suffix.lower(), "jpeg")))


def one_line(answer: Answer) -> str:
    """The answer as it came, on one line."""
    return json.dumps(answer) + "\n"


def table(answers: dict[Path, Answer]) -> Table:
    """One row a box; a picture without boxes, or with a problem, has a row that says so."""
    rows = Table("picture", "label", "score", "x_min", "y_min", "x_max", "y_max")
    for picture, answer in answers.items():
        for one in answer.get("detections", ()):
            corners = (f"{at:.1f}" for at in one["box"].values())
            rows.add_row(picture.name, one["label"], f"{one['score']:.3f}", *corners)
        if not answer.get("detections"):
            rows.add_row(picture.name, answer.get("detail", "nothing found"))
    return rows
