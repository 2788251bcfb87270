"""The detector of COCO's 80 classes behind a gateway: labels of real objects in every dialect, and how good it is."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deepstack.core
import httpx2
import pytest
from PIL import Image, ImageColor
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from api.endpoint.embedded_process import embedded_endpoint
from api.image.draw import COLOURS
from tests.api.gateway import gateway
from tests.conftest import ROOT
from tests.example_images import encoded

SHOWN = ROOT / "docs" / "images" / "people"


@pytest.fixture(scope="module")
def client(coco_dir: Path) -> Iterator[httpx2.Client]:
    with (
        embedded_endpoint({"coco": coco_dir}) as embedded,
        gateway(embedded_socket=embedded.socket, model_dir=coco_dir) as client,
    ):
        while client.get("/health/ready").status_code != 200:
            pass
        yield client


@pytest.fixture(scope="module")
def several() -> bytes:
    """A cat above a cup on a table."""
    cat, cup = (Image.open(SHOWN / name).convert("RGB").resize((450, 300)) for name in ("cat.jpg", "coffee.jpg"))
    image = Image.new("RGB", (450, 600))
    image.paste(cat, (0, 0))
    image.paste(cup, (0, 300))
    return encoded(image)


def found(client: httpx2.Client, image: bytes, **query: Any) -> Any:
    answer = client.post("/detect", files={"image": image}, params=query).raise_for_status().json()
    return answer if isinstance(answer, list) else answer["detections"]


def labels(detections: Any) -> set[str]:
    return {one["label"] for one in detections}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat.jpg", {"cat"}),
        ("coffee.jpg", {"cup", "dining table"}),
        ("photographer.jpg", {"person"}),
        ("hopper-half.jpg", {"person"}),
        ("rocket.jpg", set()),
    ],
)
def test_what_a_photograph_shows_is_found_by_default_and_nothing_else(
    client: httpx2.Client, name: str, expected: set[str]
) -> None:
    assert labels(found(client, (SHOWN / name).read_bytes())) == expected


def test_labels_leaves_out_all_others(client: httpx2.Client, several: bytes) -> None:
    assert {"cat", "cup"} <= labels(found(client, several))
    assert labels(found(client, several, labels="cup")) == {"cup"}
    assert labels(found(client, several, labels=["cat", "cup"])) == {"cat", "cup"}


def test_class_ids_count_the_80_labels_and_coco_has_its_own_numbers_with_gaps(
    client: httpx2.Client, several: bytes
) -> None:
    known = client.get("/model").raise_for_status().json()["labels"]
    assert len(set(known)) == 80
    detections = found(client, several, min_score=0.1)
    assert all(known[one["class_id"]] == one["label"] for one in detections)
    assert {("cat", 15), ("cup", 41)} <= {(one["label"], one["class_id"]) for one in detections}
    results = found(client, several, labels=["cat", "cup"], format="coco")
    assert {one["category_id"] for one in results} == {17, 47}


def test_deepstacks_client_gets_the_labels_of_all(client: httpx2.Client, several: bytes) -> None:
    url = client.base_url
    theirs = deepstack.core.DeepstackObject(ip=url.host, port=url.port, min_confidence=0.5).detect(several)
    assert {one["label"] for one in theirs} == labels(found(client, several, min_score=0.5)) >= {"cat", "cup"}


def test_each_label_is_drawn_in_its_colour(client: httpx2.Client, several: bytes) -> None:
    query: dict[str, Any] = {"labels": ["cat", "cup"]}
    response = client.post("/detect", files={"image": several}, params=query, headers={"Accept": "image/png"})
    drawn = {colour for _, colour in Image.open(io.BytesIO(response.content)).convert("RGB").getcolors(450 * 600) or []}
    boxed = [ImageColor.getrgb(COLOURS[class_id % len(COLOURS)]) for class_id in (15, 41)]
    assert len(set(boxed)) == 2
    assert set(boxed) <= drawn


def test_people_are_found_as_well_as_the_card_says(client: httpx2.Client, shared: Path) -> None:
    truth = held_out(shared / "pictures" / "people" / "instances.json")
    results = [
        one
        for image in truth.dataset["images"]
        for one in found(client, image["file"].read_bytes(), min_score=0.01, format="coco", image_id=image["id"])
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.catIds = [1]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision, precision50 = evaluation.stats[:2]
    assert precision > 0.24
    assert precision50 > 0.47


def held_out(annotations: Path) -> Any:
    """COCO's val2017 images alone: the detector has learnt from train2017."""
    dataset = json.loads(annotations.read_text())
    images = [image for image in dataset["images"] if image["coco_split"] == "val2017"]
    for image in images:
        image["file"] = annotations.parent / "images" / image["file_name"]
    ids = {image["id"] for image in images}
    truth = COCO()
    truth.dataset = dataset | {
        "images": images,
        "annotations": [one for one in dataset["annotations"] if one["image_id"] in ids],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth
