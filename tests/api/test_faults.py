"""What the endpoint can do to us, over real sockets: trickles, cold starts, names that do not resolve, the breaker."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpx2
import pytest

from api.endpoint.breaker import Breaker
from api.errors import EndpointUnavailable
from tests.api.conftest import Start
from tests.api.responses import problem
from tests.example_images import jpeg
from tests.seed_endpoint import Answer, SeedEndpoint, answer, aws_error, reply
from tests.waiting import wait_for

IMAGE = jpeg()
FAULT = aws_error("InternalFailure", 500)


def post(client: httpx2.Client) -> httpx2.Response:
    return client.post("/detect", files={"image": IMAGE})


def trickle(start: bytes) -> Callable[[socket.socket], None]:
    """Say how an answer starts, then a byte now and then, for ever."""

    def script(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(start)
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)

    return script


@pytest.mark.parametrize(
    "start_of_answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n{", b"HTTP/1.1 200 OK\r\nX-Slow: "],
    ids=["body", "headers"],
)
def test_an_answer_that_trickles_ends_with_the_time_budget_and_frees_its_place(
    start: Start, seed_endpoint: SeedEndpoint, start_of_answer: bytes
) -> None:
    client = start(deadline_seconds=0.6, endpoint_calls=1)
    seed_endpoint.on_socket = trickle(start_of_answer)
    started = time.monotonic()
    problem(post(client), 504, "deadline-exceeded")
    assert time.monotonic() - started < 3
    seed_endpoint.on_socket = None
    wait_for(lambda: post(client).status_code == 200, seconds=2)


def test_an_endpoint_that_hangs_frees_its_place_at_the_deadline(start: Start, seed_endpoint: SeedEndpoint) -> None:
    client = start(deadline_seconds=0.5, endpoint_calls=1)
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(0 if len(seed_endpoint.requests) > 1 else 20), reply(answer()))[1]
    problem(post(client), 504, "deadline-exceeded")
    wait_for(lambda: post(client).status_code == 200, seconds=2)
    go_on.set()


def test_time_spent_waiting_is_taken_from_what_the_call_may_use(start: Start, seed_endpoint: SeedEndpoint) -> None:
    """The second of two has waited for most of its time when its turn comes; its answer would come too late."""
    client = start(deadline_seconds=1.0, endpoint_calls=1)
    seed_endpoint.script = lambda _: (threading.Event().wait(0.7), reply(answer()))[1]
    statuses, took = [], []

    def ask() -> None:
        started = time.monotonic()
        statuses.append(post(client).status_code)
        took.append(time.monotonic() - started)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 504]
    assert max(took) < 1.6


def test_a_name_that_does_not_resolve_is_503(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://runtime.sagemaker.nowhere.invalid")
    body = problem(post(start()), 503, "endpoint-unavailable")
    assert body["detail"] == "The endpoint cannot be reached."


def test_an_address_that_never_answers_is_503_after_the_connect_timeout(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # The line of connections that nobody accepts is full: one more gets no answer at all.
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{full.getsockname()[1]}")
        problem(post(start(connect_seconds=0.2)), 503, "endpoint-unavailable")
        for one in waiting:
            one.close()


def test_a_reset_before_the_answer_is_503_and_not_repeated(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    seed_endpoint.on_socket = reset
    problem(post(client), 503, "endpoint-unavailable")
    assert len(seed_endpoint.requests) == 1


@pytest.mark.parametrize(
    "bad",
    [reply(b"<html>secret words</html>", 502), reply(b"x" * 10_000_000, 500), reply(b"", 503), (204, {}, b"")],
    ids=["HTML", "10 MB", "nothing", "no content"],
)
def test_errors_that_are_not_even_aws_own_are_answered_in_our_words(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, bad: Answer
) -> None:
    seed_endpoint.script = lambda _: bad
    response = post(client)
    assert response.status_code in (502, 503)
    assert "secret words" not in response.text
    assert response.json()["code"] in ("endpoint-unavailable", "endpoint-answer-invalid")


def test_a_connection_is_kept_for_the_next_call(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    for _ in range(3):
        post(client).raise_for_status()
    assert len(set(seed_endpoint.peers)) == 1


def test_a_cold_endpoint_is_asked_again_until_it_is_warm(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    answers = iter([aws_error("ModelNotReadyException", 429)] * 3 + [reply(answer())])
    seed_endpoint.script = lambda _: next(answers)
    post(client).raise_for_status()
    assert len(seed_endpoint.requests) == 4


def test_an_endpoint_that_stays_cold_is_503_within_the_deadline_and_the_breaker_stays_closed(
    start: Start, seed_endpoint: SeedEndpoint
) -> None:
    client = start(deadline_seconds=1, breaker_faults=1)
    seed_endpoint.script = lambda _: aws_error("ModelNotReadyException", 429)
    started = time.monotonic()
    response = post(client)
    assert time.monotonic() - started < 1.5
    problem(response, 503, "endpoint-unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert client.get("/health").json()["endpoint"]["breaker"] == "closed"


def test_the_breaker_opens_after_faults_in_a_row_and_leaves_the_endpoint_alone_until_a_try_succeeds(
    start: Start, seed_endpoint: SeedEndpoint
) -> None:
    client = start(breaker_faults=3)
    seed_endpoint.script = lambda _: FAULT
    for _ in range(3):
        problem(post(client), 503, "endpoint-unavailable")
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health").json()["endpoint"]["breaker"] == "open"
    response = post(client)
    assert "circuit breaker is open" in problem(response, 503, "endpoint-unavailable")["detail"]
    assert int(response.headers["Retry-After"]) >= 1
    assert len(seed_endpoint.requests) == 3, "while it is open the paid endpoint is left alone"
    wait_for(lambda: client.get("/health/ready").status_code == 200, seconds=3)
    assert client.get("/health").json()["endpoint"]["breaker"] == "half-open"
    problem(post(client), 503, "endpoint-unavailable")
    assert client.get("/health/ready").status_code == 503
    seed_endpoint.script = lambda _: reply(answer())
    wait_for(lambda: post(client).status_code == 200, seconds=5)
    assert client.get("/health").json()["endpoint"]["breaker"] == "closed"


@pytest.mark.parametrize(
    ("script", "opens"),
    [
        (aws_error("ModelError", 424, OriginalStatusCode=400), False),
        (aws_error("ModelError", 424, OriginalStatusCode=500), True),
        (reply(b"junk"), True),
        (aws_error("ThrottlingException", 400), True),
    ],
    ids=["the model refuses the image", "the model fails", "junk", "throttled"],
)
def test_only_the_endpoint_s_own_faults_open_the_breaker(
    start: Start, seed_endpoint: SeedEndpoint, script: Answer, opens: bool
) -> None:
    client = start(breaker_faults=2)
    seed_endpoint.script = lambda _: script
    for _ in range(2):
        assert post(client).status_code in (502, 503)
    assert (client.get("/health/ready").status_code == 503) == opens


def test_bad_images_and_bad_parameters_never_open_the_breaker(start: Start, seed_endpoint: SeedEndpoint) -> None:
    client = start(breaker_faults=1)
    for _ in range(3):
        client.post("/detect", files={"image": IMAGE[:500]})
        client.post("/detect", files={"image": b"words"})
        client.post("/detect", files={"image": IMAGE}, params={"min_score": 7})
    assert post(client).status_code == 200


def test_one_success_forgets_the_faults_before_it() -> None:
    breaker = Breaker(3)
    for _ in range(5):
        for finish in (breaker.fault, breaker.fault, breaker.success):
            breaker.enter()
            finish()
    assert breaker.state == "closed"


def test_half_open_lets_one_try_pass_and_a_failed_one_doubles_the_rest() -> None:
    breaker = Breaker(1, first=0.05)
    breaker.enter()
    breaker.fault()
    with pytest.raises(EndpointUnavailable):
        breaker.enter()
    wait_for(lambda: breaker.state == "half-open")
    breaker.enter()
    with pytest.raises(EndpointUnavailable):
        breaker.enter()
    breaker.neither()
    breaker.enter()
    breaker.fault()
    time.sleep(0.06)
    assert breaker.state == "open", "0.05 s have become 0.1"
