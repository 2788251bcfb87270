"""What an operator sees: one line a request, figures that add up over workers, traces that hang together."""

import gc
import json
import logging
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from api.admission.api_keys import new_key
from api.telemetry.logs import JsonLines, PlainLines, fields
from inference.server import logs as endpoint_logs
from tests.api.clients import hang_up_after
from tests.api.conftest import Start
from tests.api.processes import COMMAND, children, running
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint, answer, aws_error, reply
from tests.waiting import wait_for

IMAGE = jpeg(700, 300)
KEY, ENTRY = new_key("camera")


def test_a_request_is_one_json_line_with_id_code_sizes_and_times_and_neither_image_nor_key(
    seed_endpoint: SeedEndpoint,
) -> None:
    seed_endpoint.script = lambda _: reply(answer((0, 0.9, (0, 0, 9, 9))))
    with running(seed_endpoint, DETECT_API_KEYS=ENTRY, DETECT_LOG_LEVEL="debug") as gateway:
        headers = {"X-API-Key": KEY, "X-Request-ID": "order-17"}
        gateway.client.post("/detect?min_score=0.2", files={"image": IMAGE}, headers=headers).raise_for_status()
        gateway.client.post("/detect", files={"image": IMAGE[:300]}, headers={"X-API-Key": KEY})
        gateway.client.post("/detect", files={"image": IMAGE}, headers={"Authorization": "Bearer dg_wrong"})
        gateway.client.get("/health/ready")
        written = gateway.end()
    lines = [entry for entry in map(json.loads, written) if entry["message"] == "request"]
    found, damaged, wrong = (line for line in lines if line["path"] == "/detect")
    assert (found["request_id"], found["method"], found["status"], found["key"]) == ("order-17", "POST", 200, "camera")
    assert found["image"] == {"width": 700, "height": 300, "format": "JPEG"}
    assert found["detections"] == 1
    assert found["bytes_in"] > len(IMAGE)
    assert found["bytes_out"] > 100
    assert found["ms"] >= found["timing_ms"]["total"] > 0
    assert (damaged["status"], damaged["code"]) == (422, "undecodable-picture")
    assert (wrong["status"], wrong["code"]) == (403, "forbidden")
    assert all(line["level"] == "debug" for line in lines if line["path"].startswith("/health"))
    everything = "\n".join(written)
    assert KEY not in everything
    assert "dg_wrong" not in everything
    assert "/9j/" not in everything, "the start of a JPEG in base64"
    assert "AWS4-HMAC" not in everything


def test_the_cause_of_an_endpoint_error_is_in_the_log_and_not_in_the_answer(seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: aws_error("ModelError", 424, OriginalStatusCode=500)
    with running(seed_endpoint) as gateway:
        response = gateway.client.post("/detect", files={"image": IMAGE})
        (line,) = [line for line in gateway.requests() if line["path"] == "/detect"]
    assert "secret words" not in response.text
    assert "secret words of ModelError" in line["cause"]
    assert line["request_id"] == response.json()["request_id"]


def test_a_caller_who_went_away_is_noted_as_such(
    start: Start, seed_endpoint: SeedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(20), reply(answer()))[1]
    caplog.set_level(logging.INFO, logger="api.access")
    hang_up_after(start(), IMAGE, lambda: len(seed_endpoint.requests) == 1)
    wait_for(lambda: any(fields(record).get("code") == "caller-gone" for record in caplog.records), seconds=5)
    go_on.set()


def test_an_answer_leaves_nothing_to_the_garbage_collector_which_would_hold_everybody_up(
    start: Start, seed_endpoint: SeedEndpoint
) -> None:
    seed_endpoint.script = lambda _: reply(answer((0, 0.9, (0, 0, 9, 9))))
    client = start()

    def status(image: bytes) -> int:
        return client.post("/detect", content=image).status_code

    assert status(IMAGE) == 200
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert [status(IMAGE), status(b"no image")] == [200, 415]
        gc.collect()
        assert [item for item in gc.garbage if type(item).__module__.startswith("api.")] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("formatter", [JsonLines(), PlainLines()])
def test_a_log_line_cannot_be_broken_in_two_by_what_a_client_sends(formatter: logging.Formatter) -> None:
    record = logging.LogRecord("api", logging.INFO, "", 0, "request", None, None)
    record.fields = {"path": "/a\nb\r2026 error forged", "id": "x y"}
    assert len(formatter.format(record).splitlines()) == 1


def figures(client: httpx2.Client, **headers: str) -> dict[str, float]:
    text = client.get("/metrics", headers=headers).raise_for_status().text
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def settled(client: httpx2.Client) -> dict[str, float]:
    """The figures when no other request is in flight: one is counted a moment after its answer is out."""
    seen: dict[str, float] = {}

    def alone() -> bool:
        seen.update(figures(client))
        return seen["detect_requests_in_flight"] == 1

    wait_for(alone)
    return seen


def test_figures_count_requests_stages_errors_and_what_is_billed(start: Start, seed_endpoint: SeedEndpoint) -> None:
    client = start(breaker_faults=2)
    client.post("/detect", files={"image": IMAGE}).raise_for_status()
    client.post("/detect", files={"image": IMAGE[:300]})
    seed_endpoint.script = lambda _: aws_error("ThrottlingException", 400)
    client.post("/detect", files={"image": IMAGE})
    seed_endpoint.script = lambda _: reply(b"junk")
    client.post("/detect", files={"image": IMAGE})
    client.get("/nowhere")
    client.request("PROPFIND", "/nowhere")
    seen = settled(client)
    route = 'method="POST",route="/detect"'
    assert seen[f'detect_requests_total{{code="ok",{route}}}'] == 1
    assert seen[f'detect_requests_total{{code="undecodable-picture",{route}}}'] == 1
    assert seen[f'detect_requests_total{{code="endpoint-unavailable",{route}}}'] == 1
    assert seen[f'detect_requests_total{{code="endpoint-answer-invalid",{route}}}'] == 1
    assert seen['detect_requests_total{code="not-found",method="GET",route="unmatched"}'] == 1
    assert seen['detect_requests_total{code="not-found",method="other",route="unmatched"}'] == 1
    assert seen['detect_request_seconds_count{route="/detect"}'] == 4
    for stage in ("decode", "queue", "inference"):
        assert seen[f'detect_stage_seconds_count{{model="seed",stage="{stage}"}}'] == 1
    assert seen['detect_image_pixels_bucket{le="300000.0"}'] == 1
    assert seen['detect_image_pixels_bucket{le="100000.0"}'] == 0
    assert seen['detect_endpoint_errors_total{code="endpoint-unavailable",model="seed"}'] == 1
    assert seen['detect_billed_invocations_total{model="seed"}'] == 2, "the good one and the one answered with junk"
    assert seen['detect_breaker{model="seed"}'] == 2
    assert seen["detect_held_bytes"] == 0


def test_waiting_work_is_counted_while_it_waits(start: Start, seed_endpoint: SeedEndpoint) -> None:
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(20), reply(answer()))[1]
    client = start(endpoint_calls=1)
    threads = [threading.Thread(target=lambda: client.post("/detect", files={"image": IMAGE})) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: figures(client)['detect_waiting{place="endpoint"}'] == 2)
    go_on.set()
    for thread in threads:
        thread.join()
    assert figures(client)['detect_waiting{place="endpoint"}'] == 0


def test_figures_are_those_of_all_workers_and_outlive_one(seed_endpoint: SeedEndpoint) -> None:
    with running(seed_endpoint, "--workers", "2") as gateway:
        for _ in range(12):  # each on its own connection, so that both workers have some
            httpx2.post(gateway.url + "/detect", files={"image": IMAGE}).raise_for_status()
        name = 'detect_requests_total{code="ok",method="POST",route="/detect"}'
        assert {figures(gateway.another())[name] for _ in range(6)} == {12}
        workers = [
            pid for pid in children(gateway.process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(workers[0], signal.SIGKILL)
        wait_for(lambda: len(set(children(gateway.process.pid)) - {workers[0]}) >= 2, seconds=15)
        wait_for(lambda: gateway.client.get("/health/ready").status_code == 200)
        after = figures(gateway.another())
    assert after[name] == 12
    assert after["detect_requests_in_flight"] == 1
    assert after['detect_billed_invocations_total{model="seed"}'] == 12


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An OTLP collector: its URL, and the bodies that it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()


def test_a_trace_comes_in_goes_on_to_the_endpoint_and_is_sent_to_the_collector(seed_endpoint: SeedEndpoint) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with collector() as (url, bodies):
        with running(
            seed_endpoint, DETECT_TRACES="true", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="100"
        ) as gateway:
            headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
            gateway.client.post("/detect", files={"image": IMAGE}, headers=headers).raise_for_status()
        sent = b"".join(bodies)
    assert seed_endpoint.headers[0]["traceparent"].split("-")[1] == trace
    assert bytes.fromhex(trace) in sent
    assert b"POST /detect" in sent
    assert b"InvokeEndpoint" in sent


def test_both_processes_write_json_where_one_dotenv_file_says_so(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DETECT_LOG_FORMAT=json\nDETECT_PORT=0\n")
    with (tmp_path / "log").open("w+") as log:
        served = subprocess.Popen([COMMAND, "serve"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=log)
        try:
            wait_for(lambda: "The model is ready." in Path(log.name).read_text(), seconds=30)
        finally:
            served.terminate()
            served.wait(30)
        lines = [json.loads(line) for line in Path(log.name).read_text().splitlines()]
    (ready,) = [line for line in lines if line["message"] == "The model is ready."]
    assert ready["logger"] == "inference.server.model"
    assert ready["ms"] > 0
    assert {line["logger"] for line in lines} > {"inference.server.model"}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


@pytest.mark.parametrize(
    ("ours", "its"), [(JsonLines(), endpoint_logs.JsonLines()), (PlainLines(), endpoint_logs.PlainLines())]
)
def test_the_endpoint_writes_a_line_as_the_gateway_does(ours: logging.Formatter, its: logging.Formatter) -> None:
    record = logging.LogRecord("model", logging.ERROR, "", 0, "The model cannot be %s", ("served",), None)
    record.fields = {"model_dir": Path("/a folder"), "ms": 12.5}
    assert ours.format(record) == its.format(record)
    record.exc_info = (ValueError, ValueError("no"), None)
    assert ours.format(record) == its.format(record)


def test_a_plain_line_has_each_time_and_size_as_a_field_of_its_own() -> None:
    record = logging.LogRecord("api", logging.INFO, "", 0, "request", None, None)
    record.fields = {"image": {"width": 700, "format": "JPEG"}, "timing_ms": {"decode": 1.5, "total": 9.0}, "ms": 9.1}
    line = PlainLines().format(record)
    assert line.endswith("request image.width=700 image.format=JPEG timing_ms.decode=1.5 timing_ms.total=9.0 ms=9.1")
