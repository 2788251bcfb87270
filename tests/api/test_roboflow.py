"""`?format=roboflow`: supervision reads the answers as they come."""

from typing import Any

import httpx2
import numpy
import pytest
import supervision

from tests.api.conftest import Start
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON, DOG = (0, 0.9, (128.0, 64.0, 256.0, 448.0)), (1, 0.8, (300.0, 200.0, 512.0, 512.0))


def asked(client: httpx2.Client, **query: str) -> httpx2.Response:
    query = {"format": "roboflow", **query}
    return client.post("/detect", files={"image": jpeg(1024, 256)}, params=query).raise_for_status()


def test_supervision_has_the_boxes_of_detect_and_its_zones_see_them(start: Start, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON, DOG))
    client = start(labels="person,dog")
    native = client.post("/detect", files={"image": jpeg(1024, 256)}).json()["detections"]
    found: Any = supervision.Detections.from_inference(asked(client).json())
    assert found.xyxy.tolist() == [pytest.approx(list(one["box"].values()), abs=0.01) for one in native]
    assert found.confidence.tolist() == pytest.approx([0.9, 0.8])
    assert found.class_id.tolist() == [0, 1]
    assert found.data["class_name"].tolist() == ["person", "dog"]
    zone = supervision.PolygonZone(polygon=numpy.array([[0, 0], [1024, 0], [1024, 256], [0, 256]]))
    assert zone.trigger(found).tolist() == [True, True]


def test_the_answer_has_roboflows_members(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    response = asked(client)
    body = response.json()
    request_id = response.headers["X-Request-ID"]
    assert body["image"] == {"width": 1024, "height": 256}
    assert (body["inference_id"], body["time"] > 0) == (request_id, True)
    assert body["predictions"] == [
        {
            "x": 384.0,
            "y": 128.0,
            "width": 256.0,
            "height": 192.0,
            "confidence": 0.9,
            "class": "person",
            "class_id": 0,
            "detection_id": f"{request_id}.0",
        }
    ]
    assert supervision.Detections.from_inference(asked(client, min_score="0.95").json()).is_empty()
