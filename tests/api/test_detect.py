"""POST /detect over a real socket, in front of an endpoint with the seed's contract."""

import base64
import io
import re

import httpx2
import pytest
from PIL import Image

from tests.api.conftest import Start
from tests.example_images import encoded, jpeg, pixel, scene
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))


def test_boxes_come_back_in_pixels_of_the_image_sent(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    body = client.post("/detect", files={"image": jpeg(1024, 256)}).raise_for_status().json()
    assert body["image"] == {"width": 1024, "height": 256, "format": "JPEG"}
    assert body["count"] == 1
    assert body["detections"] == [
        {
            "label": "person",
            "class_id": 0,
            "score": 0.981,
            "box": {"x_min": 256.0, "y_min": 32.0, "x_max": 512.0, "y_max": 224.0},
            "box_normalized": {"x_min": 0.25, "y_min": 0.125, "x_max": 0.5, "y_max": 0.875},
        }
    ]
    assert body["model"] == {"name": "seed", "version": ""}
    assert body["parameters"] == {"min_score": 0.5, "labels": None, "max_detections": 100, "tiles": None}
    assert body["timing_ms"].keys() == {"decode", "queue", "inference", "total"}


def test_the_endpoint_gets_one_square_jpeg_in_the_wire_format(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    client.post("/detect", files={"image": jpeg(700, 300)}).raise_for_status()
    (request,) = seed_endpoint.requests
    assert request.keys() == {"image", "short"}
    assert request["short"] == 512
    canvas = Image.open(io.BytesIO(base64.b64decode(request["image"], validate=True)))
    assert (canvas.format, canvas.size, canvas.mode) == ("JPEG", (512, 512), "RGB")


def test_the_call_is_signed_names_the_endpoint_and_carries_the_request_id(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    response = client.post("/detect", files={"image": jpeg()}, headers={"X-Request-ID": "order-17"})
    (headers,) = seed_endpoint.headers
    assert "Credential=testing/" in headers["Authorization"]
    assert headers["X-Amzn-SageMaker-Inference-Id"] == "order-17"
    assert response.headers["X-Request-ID"] == response.json()["request_id"] == "order-17"


@pytest.mark.parametrize("sent", ["", "two words", "x" * 65, "line%0abreak", "é"])
def test_an_insane_request_id_is_replaced(client: httpx2.Client, sent: str) -> None:
    response = client.get("/health/live", headers={b"X-Request-ID": sent.encode()})
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_an_image_gives_the_same_boxes_whichever_way_it_comes(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    image = jpeg()
    text = base64.b64encode(image).decode()
    answers = [
        client.post("/detect", files={"image": image}),
        client.post("/detect", files={"file": image}),
        client.post("/detect", content=image, headers={"Content-Type": "image/jpeg"}),
        client.post("/detect", content=iter([image[:100], image[100:]]), headers={"Content-Type": "image/jpeg"}),
        client.post("/detect", json={"image": text}),
        client.post("/detect", json={"image": f"data:image/jpeg;base64,{text}"}),
        client.post("/detect", json={"image": base64.encodebytes(image).decode()}),
    ]
    first, *others = [response.raise_for_status().json()["detections"] for response in answers]
    assert len(first) == 1
    assert all(other == first for other in others)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_each_default_format_is_taken_and_named(client: httpx2.Client, format: str) -> None:
    body = client.post("/detect", files={"image": encoded(scene(), format)}).raise_for_status().json()
    assert body["image"]["format"] == format


def test_nothing_found_is_200_with_an_empty_list(client: httpx2.Client) -> None:
    response = client.post("/detect", files={"image": jpeg()})
    assert (response.status_code, response.json()["detections"], response.json()["count"]) == (200, [], 0)


def test_detections_are_sorted_filtered_and_cut_as_asked(start: Start, seed_endpoint: SeedEndpoint) -> None:
    box = (10.0, 10.0, 50.0, 50.0)
    rows = ((1, 0.9, box), (0, 0.9, box), (0, 0.8, box), (1, 0.3, box), (0, 0.02, box))
    seed_endpoint.script = lambda _: reply(answer(*rows))
    client = start(labels="person,dog")

    def found(**query: str | float | list[str]) -> list[tuple[str, float]]:
        body = client.post("/detect", files={"image": jpeg()}, params=query).raise_for_status().json()
        return [(one["label"], one["score"]) for one in body["detections"]]

    assert found() == [("person", 0.9), ("dog", 0.9), ("person", 0.8)]
    assert found(min_score=0.01)[-2:] == [("dog", 0.3), ("person", 0.02)]
    assert found(labels="dog", min_score=0.2) == [("dog", 0.9), ("dog", 0.3)]
    assert found(labels=["dog", "person"]) == found()
    assert found(max_detections=1) == [("person", 0.9)]


def test_boxes_are_clipped_to_the_image_and_empty_ones_dropped(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    rows = ((0, 0.9, (-50.0, -1.0, 600.0, 513.0)), (0, 0.8, (520.0, 0.0, 600.0, 100.0)), (0, 0.7, (9.0, 9.0, 9.0, 9.0)))
    seed_endpoint.script = lambda _: reply(answer(*rows))
    (only,) = client.post("/detect", files={"image": jpeg(300, 200)}).json()["detections"]
    assert only["box"] == {"x_min": 0, "y_min": 0, "x_max": 300, "y_max": 200}


def test_boxes_of_a_letterboxed_image_come_back_to_its_pixels(start: Start, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer((0, 0.9, (0.0, 128.0, 256.0, 384.0))))
    (only,) = start(fit="pad").post("/detect", files={"image": jpeg(1024, 512)}).json()["detections"]
    assert only["box"] == {"x_min": 0, "y_min": 0, "x_max": 512, "y_max": 512}


def test_an_answer_about_another_tensor_size_is_scaled_by_its_shape(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    seed_endpoint.script = lambda _: reply(answer((0, 0.9, (0.0, 0.0, 128.0, 256.0)), size=256))
    (only,) = client.post("/detect", files={"image": jpeg(400, 200)}).json()["detections"]
    assert only["box"] == {"x_min": 0, "y_min": 0, "x_max": 200, "y_max": 200}


@pytest.mark.parametrize(
    ("accept", "format"),
    [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/webp", "WEBP"), ("image/*", "JPEG")],
)
def test_the_image_comes_back_with_its_boxes_drawn_where_asked(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, accept: str, format: str
) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    plain = Image.new("RGB", (512, 512), "grey")
    response = client.post("/detect", files={"image": encoded(plain, "PNG")}, headers={"Accept": accept})
    drawn = Image.open(io.BytesIO(response.content))
    assert (drawn.format, drawn.size) == (format, (512, 512))
    assert pixel(drawn, (128, 300)) != pytest.approx((128, 128, 128), abs=30), "the box's left edge"
    assert pixel(drawn, (400, 300)) == pytest.approx((128, 128, 128), abs=6), "outside"


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html", "image/jpeg;q=0.5, application/json"])
def test_json_is_the_answer_unless_an_image_is_liked_better(client: httpx2.Client, accept: str) -> None:
    response = client.post("/detect", files={"image": jpeg()}, headers={"Accept": accept})
    assert response.headers["Content-Type"] == "application/json"


def test_timings_are_in_the_header_that_browsers_read(client: httpx2.Client) -> None:
    response = client.post("/detect", files={"image": jpeg()})
    stages = dict(re.findall(r"(\w+);dur=([\d.]+)", response.headers["Server-Timing"]))
    assert {stage: float(spent) for stage, spent in stages.items()} == response.json()["timing_ms"]
