"""What is sent by hand over a socket: a broken, slow, huge or half request costs its own connection, nothing else."""

import http.client
import random
import socket
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.api.conftest import Start
from tests.api.processes import running, workers_of
from tests.example_images import jpeg
from tests.seed_endpoint import Answer, SeedEndpoint, answer, reply
from tests.waiting import wait_for

IMAGE = jpeg(64, 48)
HEAD = b"POST /detect HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\n"
GOOD = HEAD + f"Content-Length: {len(IMAGE)}\r\n\r\n".encode() + IMAGE
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n"


def connected(client: httpx2.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=10)


def answered(client: httpx2.Client, *pieces: bytes, more: bool = True) -> bytes:
    """All that comes back until the gateway closes or says nothing more; `more` says whether we might go on sending."""
    received = b""
    with connected(client) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if not more:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(5)
            while piece := connection.recv(65536):
                received += piece
                connection.settimeout(0.2)
        except (ConnectionResetError, BrokenPipeError, TimeoutError):
            pass
    return received


def statuses(received: bytes) -> list[int]:
    return [int(line[:3]) for line in received.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(IMAGE), IMAGE), [200]),
        (CHUNKED + b"zz\r\n" + IMAGE, [400]),
        (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", [400]),
        (CHUNKED + b"5;" + b"x" * 200_000 + b"\r\nhello\r\n0\r\n\r\n", [415]),
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", [400]),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", [400]),
        (HEAD + b"Content-Length: -1\r\n\r\n", [400]),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", [400]),
        (HEAD + b"X-Huge: " + b"x" * 200_000 + b"\r\n\r\n", [400]),
        (HEAD + b"X-Many: 1\r\n" * 20_000 + b"\r\n", [400]),
        (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n", [400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), [400]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        (b"\0" * 100_000, [400]),
        (LIVE * 3, [200, 200, 200]),
        (GOOD + LIVE + GOOD, [200, 200, 200]),
        (LIVE + b"nonsense\r\n\r\n", [200]),
        (b"\r\n" + LIVE, [200]),
        (b"\r\n\r\n" + GOOD + b"\r\n" + LIVE, [200, 200]),
        (LIVE.replace(b"/health", b"http://here:8000/health"), [200]),
        (GOOD.replace(b"/detect", b"HTTP://here//detect/?min_score=0.5"), [200]),
    ],
)
def test_each_request_is_answered_for_itself(client: httpx2.Client, data: bytes, expected: list[int]) -> None:
    assert statuses(answered(client, data)) == expected
    assert client.post("/detect", files={"image": IMAGE}).status_code == 200


@pytest.mark.parametrize("data", [GOOD, LIVE])
def test_a_client_that_has_sent_all_and_still_reads_is_answered(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, data: bytes
) -> None:
    def slowly(_: object) -> Answer:
        time.sleep(0.7)
        return reply(answer())

    seed_endpoint.script = slowly
    received = b""
    with connected(client) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            received += piece
    assert [status for status in statuses(received) if status >= 200] == [200]


@pytest.mark.parametrize(
    "sent", [b"", b"GET", HEAD, HEAD + b"Content-Length: 9\r\n\r\n"], ids=["nothing", "word", "head", "body"]
)
def test_half_a_request_does_not_keep_its_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("api.web.http_protocol.HEAD_SECONDS", 0.5)
    client = start(upload_seconds=0.5)
    with connected(client) as connection:
        connection.sendall(sent)
        started = time.monotonic()
        while connection.recv(65536):
            pass
        assert time.monotonic() - started < 3


def test_headers_that_trickle_do_not_keep_their_connection(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.web.http_protocol.HEAD_SECONDS", 0.5)
    client = start()
    with connected(client) as connection:
        wait_for(lambda: cut_off(connection), seconds=3)
    assert client.get("/health/live").status_code == 200


def cut_off(connection: socket.socket) -> bool:
    """Send one byte more of a header; whether that came too late."""
    time.sleep(0.05)
    try:
        connection.sendall(b"X")
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def damaged(count: int, seed: int) -> Iterator[bytes]:
    """Good requests with bytes cut out, doubled, changed and put in."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice((GOOD, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", LIVE)))
        for _ in range(chance.choice((1, 2, 5))):
            at = chance.randrange(min(len(data), 250))
            span = chance.choice((1, 4, 40))
            new = chance.choice(
                (b"", b"\r\n", b"\0", b"\r\n\r\n", b": ", bytes(data[at : at + span]) * 2, chance.randbytes(span))
            )
            data[at : at + span] = new
        yield bytes(data)


def test_hundreds_of_damaged_requests_end_no_worker_and_get_no_5xx(seed_endpoint: SeedEndpoint) -> None:
    with running(seed_endpoint, "--workers", "2") as gateway:
        wait_for(lambda: len(workers_of(gateway.process.pid)) == 2)
        before = workers_of(gateway.process.pid)
        seen = {
            status for data in damaged(400, seed=7) for status in statuses(answered(gateway.client, data, more=False))
        }
        assert seen <= {100, 200, 400, 404, 405, 408, 413, 415, 421, 422, 429}
        assert {200, 400} <= seen
        assert gateway.client.post("/detect", files={"image": IMAGE}).status_code == 200
        assert workers_of(gateway.process.pid) == before


def test_an_idle_connection_is_kept_for_the_next_request(seed_endpoint: SeedEndpoint) -> None:
    """uvicorn's five seconds are shorter than a load balancer's sixty, which then answers 502 now and then."""
    with running(seed_endpoint) as gateway:
        connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=10)
        connection.connect()
        connection.auto_open = 0  # another connection would prove nothing
        for pause in (0, 6):
            time.sleep(pause)
            connection.request("GET", "/health/live")
            with connection.getresponse() as response:
                assert (response.status, response.read()) == (200, b'{"status":"alive"}')
        connection.close()
