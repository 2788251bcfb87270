"""What SageMaker's Batch Transform asks of a container: JSON lines, execution parameters and larger bodies."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bodies
from cores import usable_cores
from inference import HOOKS
from tests.inference.bad_requests import broken_bodies, png_header
from tests.inference.example_requests import drawn_image, encoded, request_of
from tests.inference.server_process import Server, ServerProcess, runtime, start_server
from tests.model_dirs import BUNDLED

LINES = "application/jsonlines"


def ask(server: ServerProcess, lines: list[str | bytes], accept: str = "*/*") -> list[dict[str, Any]]:
    """Post lines, and return what each of the answer's holds."""
    body = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    response = server.post(body, headers={"content-type": LINES, "accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, LINES), response.text
    return [json.loads(line) for line in response.text.split("\n")]


def requests(count: int) -> list[str]:
    return [request_of(encoded(drawn_image(seed)), 300) for seed in range(count)]


def test_a_line_in_is_a_line_out_in_order_as_if_it_had_been_sent_alone(endpoint: ServerProcess) -> None:
    lines = requests(8)
    assert ask(endpoint, [*lines]) == [endpoint.post(line).json() for line in lines]


def test_a_bad_line_has_its_own_problem_and_the_others_their_answers(endpoint: ServerProcess) -> None:
    good = encoded(drawn_image(1))
    bad = [body for _, body in broken_bodies(good) if b"\n" not in body]
    bad += [
        request_of(png_header(10_000, 10_000)).encode(),
        request_of(good[:100]).encode(),
        request_of(b"GIF87a").encode(),
    ]
    mixed: list[str | bytes] = [line for body in bad for line in (request_of(good, 300), body)]
    answers = ask(endpoint, [*mixed, request_of(good, 300)])
    expected = endpoint.post(request_of(good, 300)).json()
    assert answers[0::2] == [expected] * (len(bad) + 1)
    for body, problem in zip(bad, answers[1::2], strict=True):
        alone = endpoint.post(body)
        assert (problem["status"], problem["detail"]) == (alone.status_code, alone.text)
        assert problem.keys() == {"status", "title", "detail"}


@pytest.mark.parametrize(
    ("body", "count"), [(b"", 0), (b"\n", 1), (b"{}", 1), (b"{}\n", 1), (b"{}\n\n{}", 3), (b"{}\r\n{}\r\n", 2)]
)
def test_the_last_line_feed_ends_a_line_and_begins_none(endpoint: ServerProcess, body: bytes, count: int) -> None:
    response = endpoint.post(body, headers={"content-type": LINES})
    assert response.status_code == 200
    assert [json.loads(line)["status"] for line in response.text.splitlines()] == [400] * count


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b" ")), min_size=1))
def test_lines_are_split_at_line_feeds_alone(lines: list[bytes]) -> None:
    assert bodies.lines_of(b"".join(line + b"\n" for line in lines)) == lines


@pytest.mark.parametrize("accept", ["application/json", LINES, "*/*"])
def test_lines_are_answered_whether_accept_names_json_or_its_lines(endpoint: ServerProcess, accept: str) -> None:
    assert [answer["shape"] for answer in ask(endpoint, [*requests(2)], accept)] == [[1, 3, 300, 300]] * 2


def test_accept_of_lines_alone_is_one_line_for_one_image(endpoint: ServerProcess) -> None:
    headers = {"content-type": "image/png", "accept": LINES}
    answer = endpoint.post(encoded(drawn_image(1)), headers=headers)
    assert answer.headers["content-type"] == LINES
    assert "\n" not in answer.text
    assert answer.json()["frame"] == "image"


def test_lines_that_accept_does_not_allow_are_406(endpoint: ServerProcess) -> None:
    assert endpoint.post(b"{}", headers={"content-type": LINES, "accept": "text/csv"}).status_code == 406


def test_boto3_sends_lines_to_an_endpoint_too(endpoint: ServerProcess) -> None:
    lines = requests(2)
    answer = runtime(endpoint.url).invoke_endpoint(EndpointName="any", ContentType=LINES, Body="\n".join(lines))
    assert [json.loads(line) for line in answer["Body"].read().splitlines()] == ask(endpoint, [*lines])


def test_a_line_on_which_the_model_fails_is_500_and_the_next_is_answered(tmp_path: Path) -> None:
    """No image makes the bundled model fail, so this one fails on white ones."""
    model = tmp_path / "model"
    (model / "code").mkdir(parents=True)
    for file in BUNDLED.glob("model.*"):
        shutil.copy(file, model)
    for file in HOOKS.glob("*.py"):
        shutil.copy(file, model / "code")
    engine = model / "code" / "onnx_engine.py"
    seam = "        size = image.shape[0], image.shape[1]\n        with"
    assert seam in engine.read_text()
    engine.write_text(engine.read_text().replace(seam, f"        assert image.min() < 255\n{seam}"))
    white = request_of(encoded(drawn_image(1).point(lambda _: 255)), 300)
    with start_server(tmp_path, "--model-dir", str(model)) as running:
        running.wait_until_ready()
        before, failed, after = ask(running, [requests(1)[0], white, requests(1)[0]])
        assert before == after
        assert failed == {"status": 500, "title": "Internal Server Error", "detail": "the model failed on this line"}
        assert "AssertionError" in running.log.read_text()


def test_a_thousand_lines_take_the_memory_of_one_images_pixels(server: Server) -> None:
    """Each becomes 300×300 pixels, 270 MB in all."""
    line = request_of(encoded(drawn_image(1, 8, 8)), 300)
    with server("--model-dir", str(BUNDLED)) as running:
        running.wait_until_ready()
        running.post(line)
        before = resident(running)
        assert len(ask(running, [line] * 1000)) == 1000
        assert resident(running) - before < 100_000


def resident(running: ServerProcess) -> int:
    """The most memory that a process had, in kB."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def parameters(running: ServerProcess) -> dict[str, Any]:
    answer: dict[str, Any] = httpx2.get(running.url + "/execution-parameters").raise_for_status().json()
    return answer


def test_execution_parameters_follow_from_the_cores_and_sagemakers_payload(endpoint: ServerProcess) -> None:
    assert parameters(endpoint) == {
        "MaxConcurrentTransforms": min(16, max(2, usable_cores())),
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": 6,
    }


def test_execution_parameters_are_there_while_the_model_loads(server: Server, tmp_path: Path) -> None:
    (tmp_path / "slow" / "code").mkdir(parents=True)
    (tmp_path / "slow" / "code" / "inference.py").write_text("def model_fn(model_dir): __import__('time').sleep(60)")
    with server("--model-dir", str(tmp_path / "slow")) as running:
        assert running.ping() == 503
        assert parameters(running)["MaxPayloadInMB"] == 6
        running.process.kill()


@pytest.mark.parametrize(("variable", "megabytes"), [("20", 20), ("1", 6)])
def test_the_environments_payload_raises_the_limit_of_a_body_and_never_lowers_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, megabytes: int
) -> None:
    monkeypatch.setenv("SAGEMAKER_MAX_PAYLOAD_IN_MB", variable)
    with server("--model-dir", str(BUNDLED)) as running:
        running.wait_until_ready()
        assert parameters(running)["MaxPayloadInMB"] == megabytes
        request = requests(1)[0]
        padded = request[:-1].ljust(megabytes * 1024 * 1024 - 1) + "}"
        assert running.post(padded).status_code == 200
        refused = running.post(padded + " ")
        assert refused.status_code == 413
        assert str(megabytes * 1024 * 1024) in refused.text


@pytest.mark.parametrize(("variable", "at_most"), [("50", 2), ("100", 1), ("200", 1)])
def test_payload_and_concurrency_stay_under_what_a_transform_job_may_have_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, at_most: int
) -> None:
    monkeypatch.setenv("SAGEMAKER_MAX_PAYLOAD_IN_MB", variable)
    with server("--model-dir", str(BUNDLED)) as running:
        offered = parameters(running)
        assert offered["MaxConcurrentTransforms"] == at_most
        assert offered["MaxConcurrentTransforms"] * offered["MaxPayloadInMB"] <= 100


def test_a_payload_that_is_no_number_is_said_in_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_MAX_PAYLOAD_IN_MB", "plenty")
    with pytest.raises(AssertionError, match="--max-payload-mb: invalid int value: 'plenty'"), server():
        pass
