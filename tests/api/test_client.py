"""The Python client: typed answers, typed problems, and tries again only where that may help."""

import asyncio
import io
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
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
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))
KEY, ENTRY = new_key("client")


class Scripted:
    """A gateway that gives one answer after the other, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked_at: list[float] = []
        self.paths: list[str] = []
        self.bodies: list[bytes] = []

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
            script.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            script.paths.append(self.path)
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
    with pytest.raises(GatewayError, match="An API key is required") as caught:
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
@pytest.mark.parametrize(
    ("status", "headers", "body", "words", "asked"),
    [
        (404, {}, b"<html>nothing here", "404 Not Found", 1),
        (413, {"Content-Type": "text/html", "Server": "nginx"}, b"<html>", "413 Request Entity Too Large .*nginx", 1),
        (502, {"Content-Type": "text/html"}, b"<html>Bad Gateway", "502 Bad Gateway .*proxy", 2),
        (200, {"Content-Type": "text/html"}, b"<html>Sign in", "200 OK .text/html.*login page", 1),
        (200, {"Content-Type": "application/json"}, b'{"hello": "world"}', "another service", 1),
        (200, {"Content-Encoding": "gzip"}, b"no gzip", "cannot be asked", 1),
        (400, {}, b"The plain HTTP request was sent to HTTPS port", "write https://", 1),
        (302, {"Location": "https://login.example/in?token=1"}, b"", "another host, https://login.example[.]", 1),
        (308, {"Location": "/again"}, b"", "again and again", 6),
    ],
)
def test_a_response_of_another_service_is_named_for_what_it_is(
    scripted: tuple[Scripted, str], ask: Any, status: int, headers: dict[str, str], body: bytes, words: str, asked: int
) -> None:
    script, url = scripted
    script.says((status, headers, body))
    with pytest.raises(GatewayError, match=words) as caught:
        ask(url, jpeg(), tries=2)
    assert caught.value.problem.code in ("not-the-gateway", "invalid-argument")
    assert len(script.asked_at) == asked, "only what may help is tried again"


@both
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_on_the_same_host_takes_the_image_along(
    start: Start, scripted: tuple[Scripted, str], ask: Any, status: int
) -> None:
    script, url = scripted
    script.says((status, {"Location": f"{start().base_url}/detect?min_score=0.9"}, b""))
    assert ask(url, jpeg()).parameters.min_score == 0.9


@both
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:8000", "does not start with http://"),
        ("localhost:8000", "does not start with http://"),
        ("gateway.example", "does not start with http://"),
        ("ftp://gateway.example", "does not start with http://"),
        ("http://", "no valid host"),
        ("http://two words", "no valid host"),
        ("http://gateway.example:99999", "no valid host and port"),
        ("http://gateway.example:port", "Invalid port"),
        ("http://gateway.example/?model=cars", "leave out what follows"),
        ("http://gateway..example", "gateway..example"),
        ("http://nosuch.invalid", "No host nosuch.invalid is known|cannot be asked"),
    ],
)
def test_a_url_that_leads_nowhere_is_named(ask: Any, url: str, words: str) -> None:
    with pytest.raises(GatewayError, match=words):
        ask(url, jpeg(), tries=1)


@both
def test_a_url_with_the_api_s_own_path_is_named(client: httpx2.Client, ask: Any) -> None:
    with pytest.raises(GatewayError, match="ends in a path of its API: leave it out"):
        ask(f"{client.base_url}/detect", jpeg())


@both
@pytest.mark.parametrize("key", ["dg_key\n", "dg key", "clé", "\x00"])
def test_a_key_that_cannot_be_sent_is_named_and_not_shown(ask: Any, key: str) -> None:
    with pytest.raises(GatewayError, match="The API key has") as caught:
        ask("http://127.0.0.1:9", jpeg(), key=key)
    assert key not in str(caught.value)


@both
def test_https_to_a_gateway_without_tls_is_named(client: httpx2.Client, ask: Any) -> None:
    with pytest.raises(GatewayError, match=r"does not speak TLS.*is it http://\?"):
        ask(str(client.base_url).replace("http:", "https:"), jpeg())


@both
def test_http_to_a_server_with_tls_is_named(ask: Any) -> None:
    def refuse(context: ssl.SSLContext) -> None:
        with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=refuse, args=(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),))
        serving.start()
        with pytest.raises(GatewayError, match="If it requires TLS, write https://"):
            ask(f"http://127.0.0.1:{listening.getsockname()[1]}", jpeg(), tries=1)
        serving.join()


@both
@pytest.mark.parametrize("silent", [b"", b"220 ready\r\n\r\n"])
def test_a_server_that_says_nothing_or_something_else_is_asked_once(ask: Any, silent: bytes) -> None:
    accepted = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                accepted.append(listening.accept()[0])
                accepted[-1].sendall(silent)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        with pytest.raises(GatewayError, match="does not speak HTTP" if silent else "did not answer in time"):
            ask(f"http://127.0.0.1:{listening.getsockname()[1]}", jpeg(), timeout=0.5)
        listening.shutdown(socket.SHUT_RDWR)
        serving.join()
    assert len(accepted) == 1
    for connection in accepted:
        connection.close()


@both
def test_a_proxy_of_the_environment_is_named_without_its_password(
    scripted: tuple[Scripted, str], ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, url = scripted
    script.says((502, {}, b"<html>"))
    monkeypatch.setenv("http_proxy", url.replace("http://", "http://me:secret@"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(GatewayError, match=r"502 Bad Gateway.*proxy .*NO_PROXY=gateway.example") as caught:
        ask("http://gateway.example", jpeg(), tries=1)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(GatewayError, match=r"The proxy refuses to connect to https://gateway.example"):
        ask("https://gateway.example", jpeg())


@both
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    client: httpx2.Client, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ask(str(client.base_url), jpeg()).count == 0


@both
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", r"pip install 'httpx2\[socks\]'"),
        ("ALL_PROXY", "gopher://127.0.0.1", "The proxy or the certificates"),
        ("SSL_CERT_FILE", "/nowhere", "The proxy or the certificates"),
    ],
)
def test_an_environment_that_cannot_be_used_is_named(
    ask: Any, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(GatewayError, match=words) as caught:
        ask("http://127.0.0.1:9", jpeg())
    assert caught.value.problem.code == "invalid-argument"


@both
def test_no_gateway_is_unreachable(ask: Any) -> None:
    with pytest.raises(
        GatewayError, match=r"Nothing accepts connections at http://127.0.0.1:9: Connection ref"
    ) as caught:
        ask("http://127.0.0.1:9", jpeg(), tries=2)
    assert (caught.value.problem.code, caught.value.problem.retryable) == ("unreachable", True)
    assert isinstance(caught.value.__cause__, httpx2.TransportError)


def test_arguments_that_are_none_are_left_out_and_lists_may_be_any_collection(client: httpx2.Client) -> None:
    with Client(str(client.base_url)) as asking:
        assert asking.detect(jpeg(), min_score=None, labels=None, model=None).parameters.labels is None
        for labels in (["person"], ("person",), {"person"}, frozenset({"person"})):
            assert asking.detect(jpeg(), labels=labels).parameters.labels == ["person"]
        assert asking.model(None).name == asking.models()[0].name


@both
@pytest.mark.parametrize("kind", [bytearray, memoryview, io.BytesIO])
def test_an_image_may_be_any_bytes(client: httpx2.Client, ask: Any, kind: Any) -> None:
    assert ask(str(client.base_url), kind(jpeg(512, 512))).image.width == 512


@both
def test_an_open_file_is_sent_whole_wherever_it_was_read_last(client: httpx2.Client, ask: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(512, 512))
    with (tmp_path / "a.jpg").open("rb") as file:
        for position in (0, 100, len(jpeg(512, 512))):
            file.seek(position)
            assert ask(str(client.base_url), file).image.width == 512
    reading, writing = os.pipe()
    os.write(writing, jpeg(64, 64))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert ask(str(client.base_url), pipe).image.width == 64


@both
def test_what_is_no_image_at_all_is_a_type_error(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    with (tmp_path / "a.jpg").open() as text:
        for wrong in (text, 7, None):
            with pytest.raises(TypeError, match="opened with"):
                ask("http://127.0.0.1:9", wrong)


def test_type_checkers_are_told_that_it_is_typed() -> None:
    assert (files("api") / "py.typed").is_file()
