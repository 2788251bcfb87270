"""Stops and restarts under load lose nothing; an embedded endpoint that is killed costs a few 503s and nothing else."""

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.api.clients import EVERYTHING, IMAGE, JPEG, load
from tests.api.processes import Served, children, running, workers_of
from tests.api.responses import problem
from tests.example_images import HOPPER, jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply
from tests.waiting import wait_for

FEW = 2  # as many as are let in however busy this machine is


def test_one_of_two_workers_is_restarted_under_load_and_no_request_fails(seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: (threading.Event().wait(0.02), reply(answer()))[1]
    with running(seed_endpoint, "--workers", "2", DETECT_DRAIN_SECONDS="0.3") as gateway:
        with load(gateway.url, FEW) as requests:
            wait_for(lambda: len(requests.answers) > 20)
            before = workers_of(gateway.process.pid)
            os.kill(before[0], signal.SIGTERM)
            wait_for(lambda: before[0] not in workers_of(gateway.process.pid), seconds=20)
            wait_for(lambda: len(workers_of(gateway.process.pid)) == 2, seconds=20)
            time.sleep(1)
        assert not requests.failures
        assert requests.statuses.keys() == {200}
        assert len(requests.answers) > 50


def test_a_rolling_restart_of_all_workers_loses_no_request(seed_endpoint: SeedEndpoint) -> None:
    with running(seed_endpoint, "--workers", "2", DETECT_DRAIN_SECONDS="0") as gateway:
        before = set(workers_of(gateway.process.pid))
        with load(gateway.url, FEW) as requests:
            wait_for(lambda: len(requests.answers) > 20)
            gateway.process.send_signal(signal.SIGHUP)
            wait_for(lambda: not before & set(workers_of(gateway.process.pid)), seconds=40)
        assert not requests.failures
        assert requests.statuses.keys() == {200}


def test_sigterm_turns_ready_off_takes_requests_for_a_moment_and_finishes_what_is_in_flight(
    seed_endpoint: SeedEndpoint,
) -> None:
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(20), reply(answer()))[1]
    with running(seed_endpoint, DETECT_DRAIN_SECONDS="1.5") as gateway:
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(gateway.another().post("/detect", content=IMAGE, headers=JPEG).status_code)

        asking = [threading.Thread(target=ask) for _ in range(2)]
        asking[0].start()
        wait_for(lambda: len(seed_endpoint.requests) == 1)
        gateway.process.terminate()
        wait_for(lambda: gateway.client.get("/health/ready").status_code == 503, seconds=1)
        assert gateway.client.get("/health/live").status_code == 200
        asking[1].start()
        wait_for(lambda: len(seed_endpoint.requests) == 2)
        time.sleep(2)
        assert gateway.process.poll() is None, "it waits for what is in flight"
        go_on.set()
        for thread in asking:
            thread.join()
        assert statuses == [200, 200]
        assert gateway.process.wait(10) == 0


def test_a_request_on_its_way_while_idle_connections_are_closed_is_answered(seed_endpoint: SeedEndpoint) -> None:
    with running(seed_endpoint, DETECT_DRAIN_SECONDS="0") as gateway:
        host, port = gateway.client.base_url.host, gateway.client.base_url.port
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
            assert b"alive" in until(connection, b"}")
            gateway.process.terminate()
            wait_for(lambda: refuses(host, port), seconds=5)
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
            last = until(connection, b"}")
        assert b"HTTP/1.1 200" in last
        assert b"connection: close" in last.lower()


def until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end) and (piece := connection.recv(65536)):
        received += piece
    return received


def refuses(host: str, port: int | None) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_embedded_endpoint_killed_under_load_is_503_then_back_and_mixes_up_no_boxes() -> None:
    served = Served()
    try:
        images = [HOPPER.read_bytes(), jpeg(300, 400, seed=7)]
        expected = {image: boxes(served.client.post(EVERYTHING, content=image, headers=JPEG)) for image in images}
        assert expected[images[0]] != expected[images[1]]
        with load(served.url, 4, images) as requests:
            wait_for(lambda: len(requests.answers) > 10)
            os.kill(served.child(), signal.SIGKILL)
            wait_for(lambda: 503 in requests.statuses)
            killed = time.monotonic()
            wait_for(lambda: requests.answers[-1][0] == 200, seconds=20)
            back = time.monotonic() - killed
            time.sleep(1)
        assert back < 15
        assert not requests.failures
        assert requests.statuses.keys() <= {200, 429, 503}
        assert requests.slowest < 10, "no request hangs"
        for status, image, response in requests.answers:
            assert boxes(response) == expected[image] if status == 200 else int(response.headers["Retry-After"]) >= 1
    finally:
        served.end()


def boxes(response: httpx2.Response) -> Any:
    return response.json()["detections"]


SPINNING = """
import sys
from api.image import decoders
PROGRAM = "import socket; peer = socket.socket(fileno=0); peer.recv(1)\\nwhile True: pass"
decoders.PROGRAM = [sys.executable, "-c", PROGRAM]
"""


def test_a_decoder_that_spins_is_ended_within_its_limit_and_does_not_delay_a_stop(
    seed_endpoint: SeedEndpoint, tmp_path: Path
) -> None:
    """Python runs a sitecustomize module at each start; this one gives the gateway decoders that never answer."""
    (tmp_path / "sitecustomize.py").write_text(SPINNING, encoding="utf-8")
    with running(seed_endpoint, PYTHONPATH=str(tmp_path), DETECT_DECODE_SECONDS="1") as gateway:
        for _ in range(3):  # more than there are decoders: each is replaced
            started = time.monotonic()
            response = gateway.client.post("/detect", content=IMAGE, headers=JPEG)
            assert problem(response, 422, "undecodable-picture")["detail"].startswith("Decoding the image exceeded")
            assert time.monotonic() - started < 10, "its limit is one second of a processor"
        asking = threading.Thread(target=ask_in_vain, args=(gateway.another(),))
        asking.start()
        wait_for(lambda: any(psutil.Process(pid).cpu_times().user > 0.3 for pid in children(gateway.process.pid)))
        started = time.monotonic()
        gateway.process.terminate()
        gateway.process.wait(20)
        assert time.monotonic() - started < 10
        asking.join()


def ask_in_vain(client: httpx2.Client) -> None:
    with suppress(httpx2.TransportError):
        client.post("/detect", content=IMAGE, headers=JPEG)
