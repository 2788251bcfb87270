"""DeepStack's dialect, asked by DeepStack's own client and in the way of Frigate and Home Assistant."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deepstack.core
import httpx2
import numpy
import pytest
import requests
from PIL import Image

from api.admission.api_keys import new_key
from tests.api.conftest import Start
from tests.example_images import jpeg, scene
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON = (0, 0.981, (128.3, 64.2, 256.4, 448.1))
DOG = (1, 0.62, (300.0, 200.0, 512.0, 512.0))
FAINT = (0, 0.2, (0.0, 0.0, 100.0, 100.0))
KEY, ENTRY = new_key("camera")
BROKEN = jpeg()[:2000]


@pytest.fixture
def gateway(start: Start, seed_endpoint: SeedEndpoint) -> httpx2.Client:
    seed_endpoint.script = lambda _: reply(answer(PERSON, DOG, FAINT))
    return start(labels="person,dog", model_name="person-dog")


def client(gateway: httpx2.Client, **options: Any) -> deepstack.core.DeepstackObject:
    url = gateway.base_url
    return deepstack.core.DeepstackObject(ip=url.host, port=url.port, **options)


def address(gateway: httpx2.Client) -> str:
    return str(gateway.base_url.join("/v1/vision/detection"))


def test_deepstacks_own_client_gets_the_boxes_of_detect(gateway: httpx2.Client) -> None:
    theirs = client(gateway, min_confidence=0.1).detect(jpeg(1000, 400))
    ours = gateway.post("/detect", files={"image": jpeg(1000, 400)}, params={"min_score": 0.1}).json()["detections"]
    assert len(theirs) == len(ours) == 3
    for their, our in zip(theirs, ours, strict=True):
        assert (their["label"], their["confidence"]) == (our["label"], our["score"])
        for side, at in our["box"].items():
            assert isinstance(their[side], int)
            assert abs(their[side] - at) < 1
    assert deepstack.core.get_objects_summary(theirs) == {"dog": 1, "person": 2}


def test_the_least_confidence_decides_and_has_a_default(gateway: httpx2.Client) -> None:
    def found(**fields: str) -> int:
        posted = gateway.post("/v1/vision/detection", files={"image": jpeg()}, data=fields)
        return len(posted.raise_for_status().json()["predictions"])

    assert found() == found(min_confidence="") == 2
    assert found(min_confidence="0") == 3
    assert found(min_confidence="0.7") == 1


def test_a_custom_model_is_asked_for_by_its_name(gateway: httpx2.Client) -> None:
    assert len(client(gateway, custom_model="person-dog").detect(jpeg())) == 2
    with pytest.raises(deepstack.core.DeepstackException, match="404"):
        client(gateway, custom_model="cats").detect(jpeg())


def test_the_answer_has_deepstacks_and_codeprojects_members(gateway: httpx2.Client) -> None:
    body = gateway.post("/v1/vision/detection", files={"image": jpeg(512, 512)}).raise_for_status().json()
    assert body["predictions"] == [
        {"label": "person", "confidence": 0.981, "x_min": 128, "y_min": 64, "x_max": 257, "y_max": 449},
        {"label": "dog", "confidence": 0.62, "x_min": 300, "y_min": 200, "x_max": 512, "y_max": 512},
    ]
    assert (body["success"], body["count"], body["code"], body["message"]) == (True, 2, 200, "Found 2 objects")
    assert all(isinstance(body[name], int) for name in ("duration", "inferenceMs", "processMs"))
    assert "error" not in body


def test_at_most_20_come_the_surest_first(start: Start, seed_endpoint: SeedEndpoint) -> None:
    rows = [(0, 0.99 - index / 100, (index, index, index + 50.0, index + 50.0)) for index in range(30)]
    seed_endpoint.script = lambda _: reply(answer(*rows))
    found = client(start()).detect(jpeg())
    assert [one["confidence"] for one in found] == pytest.approx([0.99 - index / 100 for index in range(20)])


@pytest.mark.parametrize(
    ("files", "fields", "status", "words"),
    [
        ({"image": b"GIF89a"}, {}, 415, "The file is GIF"),
        ({"image": BROKEN}, {}, 422, "damaged"),
        ({"image": b""}, {}, 400, "empty"),
        ({"photo": jpeg()}, {}, 400, "0 parts named image"),
        ({"image": jpeg()}, {"min_confidence": "45"}, 422, "min_confidence"),
        ({"image": jpeg()}, {"min_confidence": "nan"}, 422, "min_confidence"),
        ({"image": jpeg()}, {"min_confidence": "much"}, 422, "min_confidence"),
    ],
)
def test_errors_have_their_shape_and_the_right_status(
    gateway: httpx2.Client, files: dict[str, bytes], fields: dict[str, str], status: int, words: str
) -> None:
    response = gateway.post("/v1/vision/detection", files=files, data=fields)
    body = response.json()
    assert (response.status_code, body["code"], body["success"]) == (status, status, False)
    assert words in body["error"]
    assert (body["predictions"], body["request_id"]) == ([], response.headers["X-Request-ID"])


def test_an_endpoint_that_fails_is_503_in_their_shape(gateway: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(b"", 503)
    response = gateway.post("/v1/vision/detection", files={"image": jpeg()})
    assert (response.status_code, response.json()["success"]) == (503, False)
    assert int(response.headers["Retry-After"]) >= 1


def test_the_key_may_come_as_the_field_api_key(start: Start, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    gateway = start(api_keys=ENTRY)
    assert len(client(gateway, api_key=KEY).detect(jpeg())) == 1
    assert gateway.post("/v1/vision/detection", files={"image": jpeg()}, headers={"X-API-Key": KEY}).is_success
    for wrong, status in (("", 401), ("dg_wrong", 403)):
        with pytest.raises(deepstack.core.DeepstackException, match=str(status)):
            client(gateway, api_key=wrong).detect(jpeg())
    assert len(seed_endpoint.requests) == 2


def frigate(url: str, frame: Any, labels: dict[int, str], key: str = "") -> Any:
    """What Frigate's detector plugin `deepstack` does with one region of a frame.

    It sends the key and a JPEG without a least confidence, and fills 20 rows of class, confidence and corners in shares
    of the region, until one is under 0.4 or of a class that it does not know.
    """
    image = Image.fromarray(frame)
    sent = io.BytesIO()
    image.save(sent, "JPEG")
    response = requests.post(url, data={"api_key": key}, files={"image": sent.getvalue()}, timeout=10)
    rows = numpy.zeros((20, 6), numpy.float32)
    for index, one in enumerate(response.json().get("predictions") or []):
        known = [number for number, label in labels.items() if label == one["label"].lower()]
        if one["confidence"] < 0.4 or not known:
            break
        upper, lower = one["y_min"] / image.height, one["y_max"] / image.height
        rows[index] = [
            known[0],
            one["confidence"],
            upper,
            one["x_min"] / image.width,
            lower,
            one["x_max"] / image.width,
        ]
    return rows


def test_frigate_fills_its_table(gateway: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    url, frame = address(gateway), numpy.asarray(scene(320, 320))
    rows = frigate(url, frame, {0: "person", 17: "dog"})
    assert rows[0] == pytest.approx([0, 0.981, 0.125, 0.25, 0.876, 0.502], abs=1 / 320)
    assert rows[1] == pytest.approx([17, 0.62, 0.39, 0.585, 1, 1], abs=1 / 320)
    assert not rows[2:].any()
    many = [(0, 0.9, (index, 0.0, index + 9.0, 9.0)) for index in range(60)]
    seed_endpoint.script = lambda _: reply(answer(*many))
    assert frigate(url, frame, {0: "person"})[:, 1] == pytest.approx(0.9), "20 rows and no more"


def test_frigate_sees_nothing_and_goes_on_where_the_gateway_refuses(start: Start) -> None:
    url = address(start(api_keys=ENTRY))
    assert not frigate(url, numpy.asarray(scene(320, 320)), {0: "person"}).any()


def home_assistant(gateway: httpx2.Client, snapshot: bytes, confidence: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the integration `deepstack_object` does with a snapshot: its client with a least confidence of 0.1.

    It keeps persons over the confidence that was configured, in percent, with their boxes in shares of the image.
    """
    width, height = Image.open(io.BytesIO(snapshot)).size
    for one in client(gateway, api_key="", timeout=10, min_confidence=0.1, custom_model="").detect(snapshot):
        if one["label"] == "person" and round(one["confidence"] * 100, 3) > confidence:
            across, down = (one["x_min"] + one["x_max"]) / 2 / width, (one["y_min"] + one["y_max"]) / 2 / height
            yield one["label"], {"confidence": round(one["confidence"] * 100, 3), "centre": (across, down)}


def test_home_assistant_finds_its_targets(gateway: httpx2.Client) -> None:
    ((label, target),) = home_assistant(gateway, jpeg(640, 480), confidence=80)
    assert (label, target["confidence"]) == ("person", 98.1)
    assert target["centre"] == pytest.approx((192.35 / 512, 256.15 / 512), abs=0.003)
    assert len(list(home_assistant(gateway, jpeg(640, 480), confidence=15))) == 2


def test_deepstacks_client_reads_a_file_as_people_do(gateway: httpx2.Client, tmp_path: Path) -> None:
    (tmp_path / "front door.jpg").write_bytes(jpeg())
    with (tmp_path / "front door.jpg").open("rb") as file:
        sent = requests.post(address(gateway), files={"image": file}, timeout=10)
    assert sent.json()["success"] is True


def test_codeprojects_calls_are_answered_so_that_blue_iris_finds_a_server(gateway: httpx2.Client) -> None:
    for listed in (gateway.get("/v1/vision/custom/list"), gateway.post("/v1/vision/custom/list")):
        assert listed.raise_for_status().json() == {"success": True, "models": ["person-dog"], "code": 200}
    ping = gateway.get("/v1/server/status/ping").raise_for_status().json()
    assert (ping["success"], ping["code"], bool(ping["hostname"])) == (True, 200, True)
    update = gateway.get("/v1/status/updateavailable").raise_for_status().json()
    assert (update["success"], update["updateAvailable"]) == (True, False)
    members = {"major", "minor", "patch", "preRelease", "securityUpdate", "build", "file", "releaseNotes"}
    assert [update[name].keys() for name in ("version", "current", "latest")] == [members] * 3


def test_the_list_of_models_wants_a_key_where_images_do_and_a_ping_none(start: Start) -> None:
    gateway = start(api_keys=ENTRY)
    path = "/v1/vision/custom/list"
    refused = gateway.get(path)
    assert (refused.status_code, refused.json()["success"]) == (401, False)
    assert gateway.get(path, headers={"X-API-Key": KEY}).json()["success"]
    assert gateway.post(path, files={"api_key": (None, KEY)}).json()["success"]
    assert gateway.get("/v1/server/status/ping").json()["success"]
    assert gateway.get("/v1/status/updateavailable").json()["success"]
