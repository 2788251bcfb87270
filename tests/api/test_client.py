"""The Python client: typed answers, typed problems, and tries again only where that may help."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.admission.api_keys import new_key
from api.client import AsyncClient, Client, GatewayError, Image
from api.errors import DetectError, Overloaded, UndecodableImage
from api.schema import Detections
from api.web.problems import problem
from tests.api.conftest import Start
from tests.pictures import jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))
KEY, ENTRY = new_key("client")


class Scripted:
    """A gateway that gives one answer after the other, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked_at: list[float] = []

    def says(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.answers = list(answers)

    def next(self) -> tuple[int, dict[str, str], bytes]:
        self.asked_at.append(time.monotonic())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def scripted() -> Iterator[tuple[Scripted, str]]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, body = script.next()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield script, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def refusal(error: DetectError) -> tuple[int, dict[str, str], bytes]:
    return error.status, error.headers, json.dumps(problem(error, "/detect", "1")).encode()


def sync(url: str, image: Image, **options: Any) -> Detections:
    with Client(url, **options) as client:
        return client.detect(image)


def waiting(url: str, image: Image, **options: Any) -> Detections:
    async def ask() -> Detections:
        async with AsyncClient(url, **options) as client:
            return await client.detect(image)

    return asyncio.run(ask())


both = pytest.mark.parametrize("ask", [sync, waiting])


@both
@pytest.mark.parametrize("kind", [bytes, str, Path])
def test_an_image_gives_typed_boxes(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, tmp_path: Path, ask: Any, kind: type
) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    (tmp_path / "a.jpg").write_bytes(jpeg(512, 512))
    found = ask(str(client.base_url), jpeg(512, 512) if kind is bytes else kind(tmp_path / "a.jpg"))
    assert found.detections[0].box.x_min == 128.0
    assert found.image.width == 512


def test_the_query_goes_through_and_the_model_is_typed(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    with Client(str(client.base_url)) as asking:
        assert asking.detect(jpeg(), min_score=0.99, labels=["person"]).parameters.labels == ["person"]
        assert asking.detect(jpeg(), min_score=0.99).count == 0
        assert asking.model().labels == ("person",)


@both
def test_a_key_is_sent_and_its_lack_is_a_typed_problem(start: Start, ask: Any) -> None:
    url = str(start(api_keys=ENTRY).base_url)
    assert ask(url, jpeg(), key=KEY).count == 0
    with pytest.raises(GatewayError, match="An API key is needed") as caught:
        ask(url, jpeg())
    assert (caught.value.problem.code, caught.value.problem.status) == ("unauthenticated", 401)


@both
def test_what_may_help_is_tried_again_when_the_gateway_says(scripted: tuple[Scripted, str], ask: Any) -> None:
    script, url = scripted
    busy = refusal(Overloaded("More than may wait.", retry_after=1))
    fine = refusal(UndecodableImage("damaged"))  # an answer that ends it
    script.says(busy, busy, fine)
    with pytest.raises(GatewayError) as caught:
        ask(url, jpeg())
    assert caught.value.problem.code == "undecodable-picture"
    first, second, third = script.asked_at
    assert second - first >= 1
    assert third - second >= 1


@both
def test_what_cannot_help_is_not_tried_again(scripted: tuple[Scripted, str], ask: Any) -> None:
    script, url = scripted
    script.says(refusal(UndecodableImage("damaged")))
    with pytest.raises(GatewayError, match="damaged"):
        ask(url, jpeg())
    assert len(script.asked_at) == 1


@both
def test_tries_end(scripted: tuple[Scripted, str], ask: Any) -> None:
    script, url = scripted
    script.says(refusal(Overloaded("busy", retry_after=0)))
    with pytest.raises(GatewayError, match="busy"):
        ask(url, jpeg(), tries=3)
    assert len(script.asked_at) == 3


@both
def test_an_answer_that_is_not_the_gateways_is_a_problem_too(scripted: tuple[Scripted, str], ask: Any) -> None:
    script, url = scripted
    script.says((404, {}, b"<html>nothing here"))
    with pytest.raises(GatewayError, match="Status 404") as caught:
        ask(url, jpeg())
    assert caught.value.problem.retryable is False


@both
def test_no_gateway_is_unreachable(ask: Any) -> None:
    with pytest.raises(GatewayError, match="did not answer") as caught:
        ask("http://127.0.0.1:9", jpeg(), tries=2)
    assert (caught.value.problem.code, caught.value.problem.retryable) == ("unreachable", True)
    assert isinstance(caught.value.__cause__, httpx2.TransportError)


def test_type_checkers_are_told_that_it_is_typed() -> None:
    assert (files("api") / "py.typed").is_file()
