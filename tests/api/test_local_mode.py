"""The local mode as a newcomer meets it: `detect-gateway serve` as a real process, with its embedded endpoint."""

import os
import pty
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from api.endpoint.sagemaker import connect
from api.settings import Settings
from api.web import server
from tests.api.processes import SERVE, Served, alive, children, command_line, resident_megabytes
from tests.conftest import ROOT
from tests.example_images import HOPPER
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.end()


@pytest.fixture
def own() -> Iterator[Served]:
    served = Served()
    yield served
    served.end()


def test_a_person_is_found_with_no_account_and_no_network(served: Served) -> None:
    body = served.client.post("/detect", files={"image": HOPPER.read_bytes()}).raise_for_status().json()
    assert body["image"] == {"width": 512, "height": 600, "format": "JPEG"}
    best = body["detections"][0]
    assert best["label"] == "person"
    assert best["box"]["x_min"] < 256 < best["box"]["x_max"], "she stands in the middle"
    assert best["box"]["y_max"] - best["box"]["y_min"] > 300, "and fills the image"


def test_the_welcome_names_places_that_answer_and_a_curl_line_that_works(served: Served) -> None:
    for url in re.findall(r"http://\S+", served.welcome):
        if not url.endswith("/detect"):
            assert httpx2.get(url).status_code == 200, url
    (curl,) = re.findall(r"curl .*", served.welcome)
    answered = subprocess.run(curl.split(), cwd=ROOT, capture_output=True, text=True, check=True)
    assert '"detections":[{' in answered.stdout


def test_the_model_is_described_by_the_model_directory(served: Served) -> None:
    model = served.client.get("/model").json()
    answer = served.client.post("/detect", files={"image": HOPPER.read_bytes()}).json()
    assert answer["model"] == {"name": model["name"], "version": model["version"]}
    assert model["labels"] == ["person"]
    assert served.client.get("/health").json()["endpoint"]["kind"] == "embedded"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_at_rest_is_under_the_promised_limits(own: Served) -> None:
    assert resident_megabytes(own.process.pid) < 120
    assert resident_megabytes(own.child()) < 400


def test_no_answer_waits_for_its_head_to_be_acknowledged() -> None:
    with (
        server.listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_gateway_and_embedded_endpoint(own: Served, ending: signal.Signals) -> None:
    child = own.child()
    own.process.send_signal(ending)
    assert own.process.wait(15) == 0
    wait_for(lambda: not alive(child))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_that_is_closed_ends_what_was_started_in_it(workers: str) -> None:
    ours, its = pty.openpty()
    served = Served("--workers", workers, stdin=its)
    os.close(its)
    served.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert served.process.poll() is None, "as long as it is open, SIGHUP means to reload"
    os.close(ours)
    served.process.send_signal(signal.SIGHUP)
    assert served.process.wait(30) == 0
    served.end()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_gateway_that_is_killed_leaves_no_process_behind(workers: str) -> None:
    served = Served("--workers", workers)
    left = children(served.process.pid)
    assert len(left) >= int(workers)
    served.process.kill()
    wait_for(lambda: not any(command_line(pid) for pid in left))
    served.end()


def test_an_embedded_endpoint_that_is_killed_is_503_until_it_is_back(own: Served) -> None:
    image = HOPPER.read_bytes()
    before = own.client.post("/detect", files={"image": image}).json()["detections"]
    os.kill(own.child(), signal.SIGKILL)
    wait_for(lambda: own.client.get("/health/ready").status_code == 503)
    response = own.client.post("/detect", files={"image": image})
    assert (response.status_code, response.json()["code"]) == (503, "endpoint-unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    wait_for(lambda: own.client.get("/health/ready").status_code == 200, seconds=20)
    assert own.client.post("/detect", files={"image": image}).json()["detections"] == before


def test_several_workers_share_one_embedded_endpoint() -> None:
    served = Served("--workers", "2")
    try:
        found = [
            served.client.post("/detect", files={"image": HOPPER.read_bytes()}).raise_for_status().json()["detections"]
            for _ in range(4)
        ]
        assert found[0]
        assert all(one == found[0] for one in found)
        assert sum(b"inference.server" in command_line(pid) for pid in children(served.process.pid)) == 1
    finally:
        served.end()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("DETECT_PORT", "eighty", "DETECT_PORT"),
        ("DETECT_FORMATS", "jpeg,heic", "heic"),
        ("DETECT_MODEL_DIR", "/nowhere", "/nowhere"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_clear_line(variable: str, value: str, words: str) -> None:
    environment = {**os.environ, variable: value}
    command = SERVE[:2] if variable == "DETECT_PORT" else SERVE
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert words in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_comes_from_where_aws_tools_look_for_it(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, "eu-central-1")
    endpoint = connect(Settings(_env_file=None, endpoint_name="mine"))["mine"]
    assert endpoint.transport.url == "https://runtime.sagemaker.eu-central-1.amazonaws.com"


def test_no_region_stops_the_start_with_one_clear_line() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"DETECT_ENDPOINT_NAME": "mine", "AWS_CONFIG_FILE": "/nowhere"}
    ended = subprocess.run(SERVE, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == ["detect-gateway: No AWS region is configured for the endpoint."]


def test_the_embedded_endpoint_has_a_socket_that_no_other_user_may_reach_and_no_port(served: Served) -> None:
    child = psutil.Process(served.child())
    assert not [one for one in child.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN]
    (socket_file,) = {one.laddr for one in child.net_connections(kind="unix") if "detect-endpoint" in str(one.laddr)}
    assert stat.S_IMODE(Path(str(socket_file)).parent.stat().st_mode) == 0o700
