"""SageMaker's container contract, over real sockets, from real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import httpx2
import pytest
from botocore.exceptions import ClientError

from cores import usable_cores
from inference import HOOKS
from inference.server.__main__ import listen, parser
from tests.inference.bad_requests import Bad, bad_requests
from tests.inference.example_requests import drawn_image, encoded, request_of
from tests.inference.server_process import Server, ServerProcess, runtime
from tests.model_dirs import BUNDLED

CASES = bad_requests()
SLOW_HOOKS = """
import time
def model_fn(model_dir): time.sleep(float(open(model_dir + "/seconds").read())); return None
def input_fn(body, content_type): return float(body)
def predict_fn(data, model): time.sleep(data); return data
def output_fn(prediction, accept): return '{"slept": %s}' % prediction
"""
ONE_LOADS_LONGER = """
import os
def model_fn(model_dir):
    try:
        os.mkdir(model_dir + "/first")
    except FileExistsError:
        time.sleep(5)
        os.mkdir(model_dir + "/second")
"""


def test_no_answer_waits_for_its_head_to_be_acknowledged() -> None:
    with (
        listen(parser().parse_args(["--port", "0"])) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture
def slow_dir(tmp_path: Path) -> Path:
    """A model directory that brings hooks of its own: they load in no time and sleep as long as a request says."""
    (tmp_path / "model" / "code").mkdir(parents=True)
    (tmp_path / "model" / "code" / "inference.py").write_text(SLOW_HOOKS)
    (tmp_path / "model" / "seconds").write_text("0")
    return tmp_path / "model"


def test_ping_is_503_while_the_model_loads_and_200_after(server: Server, slow_dir: Path) -> None:
    (slow_dir / "seconds").write_text("1.5")
    with server("--model-dir", str(slow_dir)) as running:
        assert running.ping() == 503
        assert running.post("0").status_code == 503
        with pytest.raises(ClientError) as cold:
            runtime(running.url).invoke_endpoint(EndpointName="any", Body=b"0")
        assert cold.value.response["Error"]["Code"] == "ModelNotReadyException"
        running.wait_until_ready()
        assert running.post("0").json() == {"slept": 0.0}


def test_a_good_request_is_answered_as_the_contract_says(endpoint: ServerProcess, good_request: str) -> None:
    answer = endpoint.post(good_request)
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["shape"] == [1, 3, 300, 300]
    assert [len(found[key]) for key in ("cid", "score", "bbox")] == [100] * 3
    assert found["model"].keys() == {"name", "version"}


@pytest.mark.parametrize("bad", CASES, ids=[bad.name for bad in CASES])
def test_a_bad_request_gets_its_status_and_one_line_and_the_next_is_answered(
    endpoint: ServerProcess, bad: Bad, good_request: str
) -> None:
    answer = endpoint.post(bad.body, headers={"content-type": bad.content_type, "accept": bad.accept})
    assert answer.status_code == bad.status
    assert answer.text.isprintable()
    assert endpoint.post(good_request).status_code == 200


@pytest.mark.parametrize("bad", CASES, ids=[bad.name for bad in CASES])
def test_the_mxnet_engine_refuses_the_same_in_the_same_words(
    endpoint: ServerProcess, mxnet_endpoint: ServerProcess, bad: Bad, good_request: str
) -> None:
    headers = {"content-type": bad.content_type, "accept": bad.accept}
    ours, theirs = (side.post(bad.body, headers=headers) for side in (endpoint, mxnet_endpoint))
    assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)
    assert mxnet_endpoint.post(good_request).status_code == 200


def test_a_body_over_sagemakers_limit_is_413_and_one_under_it_is_read(
    endpoint: ServerProcess, good_request: str
) -> None:
    padded = good_request[:-1].ljust(6_291_455) + "}"
    assert endpoint.post(padded).status_code == 200
    assert endpoint.post(padded + " ").status_code == 413
    assert endpoint.post(b"x" * 7_000_000).status_code == 413
    assert endpoint.post(good_request).status_code == 200


def test_a_body_over_the_limit_without_a_length_is_413(endpoint: ServerProcess) -> None:
    chunks = (b"x" * 65536 for _ in range(128))
    assert httpx2.post(endpoint.url + "/invocations", content=chunks).status_code == 413


def test_unknown_paths_and_methods_are_404_and_405(endpoint: ServerProcess) -> None:
    assert endpoint.post("{}", "/other").status_code == 404
    assert httpx2.get(endpoint.url + "/invocations").status_code == 405


def test_boto3_gets_the_answer_that_invocations_gives(endpoint: ServerProcess, good_request: str) -> None:
    answer = runtime(endpoint.url).invoke_endpoint(
        EndpointName="detector", ContentType="application/json", Accept="application/json", Body=good_request
    )
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ResponseMetadata"]["RequestId"]
    assert json.load(answer["Body"]) == endpoint.post(good_request).json()


def test_boto3_hears_of_a_refusal_as_a_model_error_with_the_containers_words(endpoint: ServerProcess) -> None:
    client = runtime(endpoint.url)
    with pytest.raises(client.exceptions.ModelError) as refused:
        client.invoke_endpoint(EndpointName="detector", ContentType="application/json", Body=b"{}")
    response = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["Error"]["Code"] == "ModelError"
    assert response["OriginalStatusCode"] == 400
    assert response["OriginalMessage"] == endpoint.post("{}").text
    assert response["OriginalMessage"] in response["Error"]["Message"]
    assert response["LogStreamArn"] == ""


def test_a_hook_that_fails_is_500_without_its_words_and_the_log_says_why(server: Server, slow_dir: Path) -> None:
    with server("--model-dir", str(slow_dir)) as running:
        running.wait_until_ready()
        answer = running.post("no number")
        assert (answer.status_code, answer.text) == (500, "the model failed on this request")
        assert "could not convert string to float" in running.log.read_text()
        client = runtime(running.url)
        with pytest.raises(client.exceptions.ModelError) as failed:
            client.invoke_endpoint(EndpointName="detector", Body=b"no number")
        assert failed.value.response["OriginalStatusCode"] == 500


def test_a_full_queue_refuses_at_once_and_takes_requests_again_when_there_is_room(
    server: Server, slow_dir: Path
) -> None:
    with server("--model-dir", str(slow_dir), "--queue", "1") as running, ThreadPoolExecutor(16) as clients:
        running.wait_until_ready()
        statuses = [answer.status_code for answer in clients.map(lambda _: running.post("1"), range(16))]
        assert statuses.count(200) >= 2
        assert statuses.count(503) >= 16 - 2 * (len(os.sched_getaffinity(0)) + 1)
        assert set(statuses) == {200, 503}
        assert running.post("0").status_code == 200


def test_a_full_queue_is_service_unavailable_to_boto3(server: Server, slow_dir: Path) -> None:
    with server("--model-dir", str(slow_dir), "--queue", "0") as running, ThreadPoolExecutor(32) as clients:
        running.wait_until_ready()
        client = runtime(running.url)
        busy = [clients.submit(running.post, "2") for _ in range(16)]
        wait(busy, return_when="FIRST_COMPLETED")  # the first to return is refused
        with pytest.raises(ClientError) as full:
            client.invoke_endpoint(EndpointName="detector", Body=b"0")
        assert full.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert full.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert {future.result().status_code for future in busy} == {200, 503}


def test_many_clients_at_once_all_get_the_same_answer(endpoint: ServerProcess, good_request: str) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = {answer.text for answer in clients.map(endpoint.post, [good_request] * 40)}
    assert len(answers) == 1


def test_a_client_that_hangs_up_in_the_middle_does_no_harm(endpoint: ServerProcess, good_request: str) -> None:
    host, port = endpoint.url.removeprefix("http://").split(":")
    for part in (b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc", b"nonsense\r\n\r\n", b""):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(part)
    assert endpoint.post(good_request).status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_lets_a_request_in_flight_finish_and_ends_with_0(server: Server, slow_dir: Path, workers: str) -> None:
    with server("--model-dir", str(slow_dir), "--workers", workers) as running, ThreadPoolExecutor(1) as client:
        running.wait_until_ready()
        asked = client.submit(running.post, "1.5")
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        assert asked.result().json() == {"slept": 1.5}
        assert running.process.wait(10) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_server_outlives_a_parent_that_is_killed(tmp_path: Path, slow_dir: Path, workers: str) -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline(), end='', flush=True)\n"
        "child.wait()\n"
    )
    command = [sys.executable, "-m", "inference.server", "--port", "0", "--model-dir", str(slow_dir)]
    with (tmp_path / "log").open("w") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", script, *command, "--stop-with-parent", "--workers", workers],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert parent.stdout
        url = parent.stdout.readline().removeprefix("listening on ").strip()
        ServerProcess(url, parent, tmp_path / "log").wait_until_ready()
        parent.kill()
        parent.communicate()
    assert gone(url, seconds=15)


def test_no_worker_outlives_a_supervisor_that_is_killed(server: Server, slow_dir: Path) -> None:
    with server("--model-dir", str(slow_dir), "--workers", "2") as running:
        running.wait_until_ready()
        running.process.kill()
        running.process.wait()
        assert gone(running.url, seconds=15)


def gone(url: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            httpx2.get(url + "/ping")
        except httpx2.TransportError:
            return True
        time.sleep(0.1)
    return False


def test_no_request_reaches_a_worker_that_still_loads(server: Server, slow_dir: Path) -> None:
    (slow_dir / "code" / "inference.py").write_text(SLOW_HOOKS + ONE_LOADS_LONGER)
    with server("--model-dir", str(slow_dir), "--workers", "2") as running:
        running.wait_until_ready()
        assert {running.post("0").status_code for _ in range(20)} == {200}
        assert not (slow_dir / "second").exists()


def test_each_worker_gets_its_share_of_the_cores(server: Server, slow_dir: Path) -> None:
    hooks = SLOW_HOOKS + "import os\ndef output_fn(prediction, accept): return os.environ['DETECT_THREADS']\n"
    (slow_dir / "code" / "inference.py").write_text(hooks)
    with server("--model-dir", str(slow_dir), "--workers", "2") as running:
        running.wait_until_ready()
        assert running.post("0").text == str(max(1, usable_cores() // 2))


def test_a_worker_that_dies_is_replaced(server: Server, slow_dir: Path) -> None:
    hooks = slow_dir / "code" / "inference.py"
    hooks.write_text(hooks.read_text().replace("return float(body)", "return float(body or __import__('os')._exit(9))"))
    with server("--model-dir", str(slow_dir), "--workers", "2") as running:
        running.wait_until_ready()
        with pytest.raises(httpx2.TransportError):
            running.post("")
        deadline = time.monotonic() + 20
        while "died" not in running.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "died" in running.log.read_text()
        running.wait_until_ready()
        assert running.post("0").status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_directory_with_no_model_ends_the_process_with_1_and_one_line(tmp_path: Path, workers: str) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    command = [sys.executable, "-m", "inference.server", "--port", "0", "--model-dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--workers", workers],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "cannot be served: model.onnx" in done.stderr
    assert "Traceback" not in done.stderr


def test_standard_output_is_one_line_that_says_where(server: Server, good_request: str) -> None:
    with server("--model-dir", str(BUNDLED)) as running:
        running.wait_until_ready()
        running.post(good_request)
        running.process.terminate()
        rest, _ = running.process.communicate(timeout=30)
        assert rest == ""


def test_the_onnx_path_imports_neither_mxnet_nor_gluoncv(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.modules['mxnet'] = sys.modules['gluoncv'] = None\n"
        "import inference; inference.model_fn(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", script, str(HOOKS), str(BUNDLED)], check=True)


def test_the_endpoint_stays_under_400_mb(server: Server, good_request: str) -> None:
    with server("--model-dir", str(BUNDLED)) as running:
        running.wait_until_ready()
        for short in (224, 300, 512):
            running.post(request_of(encoded(drawn_image(1, 770, 433), "JPEG"), short))
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        assert resident < 400_000
