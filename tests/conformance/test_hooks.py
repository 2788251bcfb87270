"""Our hooks on the stacks of AWS's MXNet images, over real sockets."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.conformance.stack import Served, end, serve, wait_for_an_answer
from tests.example_images import HOPPER, stored
from tests.inference.bad_requests import Bad, bad_requests
from tests.inference.same_boxes import assert_same_boxes
from tests.inference.server_process import ServerProcess

CASES = bad_requests()
TOOLKITS_OWN = {"invalid UTF-8"}  # it decodes what is called JSON before a hook sees it, and fails in one line


def test_a_good_image_gives_the_boxes_of_the_onnx_engine(
    served: Served, onnx: ServerProcess, good_request: str
) -> None:
    theirs, ours = served.running.post(good_request), onnx.post(good_request)
    assert theirs.headers["content-type"] == "application/json"
    assert_same_boxes(ours.json(), theirs.json())


@pytest.mark.parametrize("bad", CASES, ids=[bad.name for bad in CASES])
def test_a_bad_request_is_refused_in_one_line_and_the_next_is_answered(
    served: Served, onnx: ServerProcess, bad: Bad, good_request: str
) -> None:
    headers = {"content-type": bad.content_type, "accept": bad.accept}
    refused = served.running.post(bad.body, headers=headers)
    own = bad.name in TOOLKITS_OWN
    assert refused.status_code == (500 if own else bad.status)
    assert own or onnx.post(bad.body, headers=headers).text in refused.text
    assert served.running.post(good_request).status_code == 200


@pytest.mark.parametrize(("format", "orientation"), [("JPEG", 1), ("JPEG", 6), ("PNG", 3), ("WEBP", 8)])
def test_an_image_as_it_is_gives_the_boxes_of_the_onnx_engine_in_its_pixels(
    served: Served, onnx: ServerProcess, format: str, orientation: int
) -> None:
    """Each stack has a Pillow of its own, and they differ in a pixel's last digit."""
    image, headers = stored(Image.open(HOPPER), orientation, format), {"content-type": f"image/{format.lower()}"}
    theirs, ours = (server.post(image, headers=headers).json() for server in (served.running, onnx))
    assert theirs["frame"] == "image"
    assert_same_boxes(sure(ours), sure(theirs), score=0.02, pixels=10)


def sure(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without the rows that waver."""
    kept = [row for row, (score,) in enumerate(answer["score"]) if score >= 0.9]
    return {**answer, **{key: [answer[key][row] for row in kept] for key in ("cid", "score", "bbox")}}


def test_lines_are_answered_one_by_one_and_a_bad_one_fails_none(
    served: Served, onnx: ServerProcess, good_request: str
) -> None:
    """SageMaker splits a file itself, but several lines come together where a job asks for that."""
    lines, headers = "\n".join([good_request, "{}", good_request]), {"content-type": "application/jsonlines"}
    theirs, ours = (
        [json.loads(line) for line in server.post(lines, headers=headers).text.splitlines()]
        for server in (served.running, onnx)
    )
    assert theirs[1] == ours[1]
    assert theirs[1]["status"] == 400
    for row in (0, 2):
        assert_same_boxes(ours[row], theirs[row])


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", None])
def test_the_content_type_is_parsed(served: Served, good_request: str, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert served.running.post(good_request, headers=headers).status_code == 200


def test_a_body_of_6_mb_is_read_and_one_of_7_mb_is_413(served: Served, good_request: str) -> None:
    padded = good_request[:-1].ljust(6_000_000) + "}"
    assert served.running.post(padded).status_code == 200
    with suppress(httpx2.WriteError):  # the server may close the connection before it has read all
        assert served.running.post(b"x" * 7_000_000).status_code == 413
    assert served.running.post(good_request).status_code == 200


def test_clients_at_once_all_get_the_same_answer(served: Served, good_request: str) -> None:
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(served.running.post, [good_request] * 20))
    assert {answer.status_code for answer in answers} == {200}
    assert len({json.dumps(answer.json()) for answer in answers}) == 1


def test_no_worker_has_died_and_the_log_says_where_the_model_runs(served: Served) -> None:
    log = served.running.log.read_text()
    assert "runs on cpu(0): no Elastic Inference accelerator is attached" in log
    assert "Backend worker process died" not in log


def test_the_model_is_loaded_once_a_worker_though_the_toolkit_asks_twice(served: Served) -> None:
    log = served.running.log.read_text()
    assert log.count("runs on cpu(0)") == 1


def test_nothing_is_installed_at_start(served: Served) -> None:
    assert not (served.base / "model" / "code" / "requirements.txt").exists()
    assert "pip install" not in served.running.log.read_text()


def test_a_restart_serves_again(served: Served, good_request: str) -> None:
    """The last of a stack's tests, since only one server may run."""
    before = served.running.post(good_request).json()
    end(served.running.process)
    with serve(served.stack, served.base) as again:
        wait_for_an_answer(again, good_request)
        assert again.post(good_request).json() == before
