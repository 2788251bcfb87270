"""POST /detect/batch: several images in one request, each with its own answer, in order."""

import json
import threading
import time
from typing import Any

import httpx2
import pytest

from api.admission.api_keys import new_key
from api.schema import BatchAnswer
from tests.api.conftest import Start
from tests.api.responses import problem
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply
from tests.waiting import wait_for

PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))
LINES = {"Accept": "application/x-ndjson"}
KEY, ENTRY = new_key("batch")


def parts(*images: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", (f"{index}.jpg", image)) for index, image in enumerate(images)]


def batch(client: httpx2.Client, *images: bytes, **options: Any) -> Any:
    return client.post("/detect/batch", files=parts(*images), **options).raise_for_status().json()


def test_each_image_has_its_own_result_in_order(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    images = [jpeg(200 + 10 * index, 100) for index in range(16)]
    body = batch(client, *images, headers={"X-Request-ID": "order-17"})
    assert (body["count"], body["failed"], body["request_id"]) == (16, 0, "order-17")
    assert [(one["index"], one["filename"], one["status"]) for one in body["entries"]] == [
        (index, f"{index}.jpg", 200) for index in range(16)
    ]
    assert [one["result"]["image"]["width"] for one in body["entries"]] == [200 + 10 * index for index in range(16)]


def test_a_result_is_what_detect_answers(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    query = {"min_score": 0.3}
    alone = client.post("/detect", files={"image": jpeg()}, params=query).json()
    (entry,) = batch(client, jpeg(), params=query)["entries"]
    assert entry["result"].keys() == alone.keys()
    for member in ("model", "image", "detections", "count", "parameters"):
        assert entry["result"][member] == alone[member]
    BatchAnswer.model_validate(batch(client, jpeg(), b"no image"))


def test_a_bad_image_is_a_problem_of_its_own(start: Start, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    client = start(max_body_bytes=60_000)
    body = batch(client, jpeg(), b"GIF89a", jpeg()[:3000], b"", jpeg() + bytes(60_000), jpeg())
    assert [one["status"] for one in body["entries"]] == [200, 415, 422, 400, 413, 200]
    codes = [one["problem"]["code"] for one in body["entries"] if "problem" in one]
    assert codes == ["unsupported-picture-format", "undecodable-picture", "malformed-upload", "upload-too-large"]
    assert body["failed"] == 4
    assert "result" not in body["entries"][1]
    ids = {one.get("problem", one.get("result"))["request_id"] for one in body["entries"]}
    assert ids == {f"{body['request_id']}.{index}" for index in range(6)}


@pytest.mark.parametrize("count", [0, 17, 40])
def test_none_or_too_many_are_400(client: httpx2.Client, seed_endpoint: SeedEndpoint, count: int) -> None:
    files: Any = parts(*[jpeg(20, 20)] * count) or {"other": b"x"}
    problem(client.post("/detect/batch", files=files), 400, "malformed-upload")
    assert seed_endpoint.requests == []


def test_what_is_no_form_is_400(client: httpx2.Client) -> None:
    response = client.post("/detect/batch", content=jpeg(), headers={"Content-Type": "image/jpeg"})
    problem(response, 400, "malformed-upload")


def test_lines_come_while_later_images_are_still_worked_on(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    """The endpoint answers all but the first image only when the first line has been read."""
    read = threading.Event()

    def script(request: dict[str, Any]) -> Any:
        assert request["image"] == first or read.wait(20)
        return reply(answer(PERSON))

    client.post("/detect", content=jpeg(90, 30))
    (first,) = (request["image"] for request in seed_endpoint.requests)

    seed_endpoint.script = script
    images = [jpeg(90, 30), *[jpeg()] * 5]
    with client.stream("POST", "/detect/batch", files=parts(*images), headers=LINES) as response:
        assert response.headers["Content-Type"] == "application/x-ndjson"
        seen = []
        for line in response.iter_lines():
            seen.append(json.loads(line))
            read.set()
    assert [one["index"] for one in seen] == list(range(6))
    assert all(one["result"]["count"] == 1 for one in seen)


def test_one_deadline_covers_the_whole_batch(start: Start, seed_endpoint: SeedEndpoint) -> None:
    def script(_: dict[str, Any]) -> Any:
        if len(seed_endpoint.requests) > 4:
            time.sleep(1.2)
        return reply(answer(PERSON))

    seed_endpoint.script = script
    body = batch(start(deadline_seconds=1), *[jpeg()] * 12)
    assert sorted(one["status"] for one in body["entries"]) == [200] * 4 + [504] * 8
    assert {one["problem"]["code"] for one in body["entries"] if "problem" in one} == {"deadline-exceeded"}
    assert len(seed_endpoint.requests) <= 8, "those that waited were never asked about"


def test_a_caller_who_leaves_ends_the_batch(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    def script(_: dict[str, Any]) -> Any:
        time.sleep(0.1)
        return reply(answer(PERSON))

    seed_endpoint.script = script
    with client.stream("POST", "/detect/batch", files=parts(*[jpeg()] * 16), headers=LINES) as response:
        next(response.iter_lines())
    inside = "detect_requests_in_flight 1.0"  # the one that asks
    wait_for(lambda: inside in client.get("/metrics").text)
    assert len(seed_endpoint.requests) < 16


def test_the_body_has_a_limit_of_its_own(start: Start, seed_endpoint: SeedEndpoint) -> None:
    client = start(max_body_bytes=60_000, max_batch_bytes=150_000)
    padded = jpeg() + bytes(60_000 - len(jpeg()))
    assert batch(client, padded, padded)["failed"] == 0
    before = len(seed_endpoint.requests)
    problem(client.post("/detect/batch", files=parts(padded, padded, padded)), 413, "upload-too-large")
    assert len(seed_endpoint.requests) == before


def test_each_image_counts_against_the_rate(start: Start) -> None:
    client = start(api_keys=ENTRY, rate_per_key="10/hour", rate_per_address="100/hour")
    client.headers["X-API-Key"] = KEY
    assert batch(client, *[jpeg()] * 6)["count"] == 6
    problem(client.post("/detect/batch", files=parts(*[jpeg()] * 6)), 429, "rate-limited")


def test_a_batch_needs_a_key_where_an_image_does(start: Start) -> None:
    problem(start(api_keys=ENTRY).post("/detect/batch", files=parts(jpeg())), 401, "unauthenticated")
