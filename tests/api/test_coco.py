"""`?format=coco`: pycocotools reads the answers as they come."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from api.render.coco import CATEGORIES
from tests.api.conftest import Start
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON = (0, 0.9, (128.0, 64.0, 256.0, 448.0))
DOG = (1, 0.8, (300.0, 200.0, 512.0, 512.0))


def coco(client: httpx2.Client, **query: Any) -> Any:
    query = {"format": "coco", **query}
    return client.post("/detect", files={"image": jpeg(1024, 256)}, params=query).raise_for_status().json()


def test_boxes_are_x_y_width_height_in_image_pixels(start: Start, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON, DOG))
    assert coco(start(labels="person,dog"), image_id=139) == [
        {"image_id": 139, "category_id": 1, "bbox": [256.0, 32.0, 256.0, 192.0], "score": 0.9},
        {"image_id": 139, "category_id": 18, "bbox": [600.0, 100.0, 424.0, 156.0], "score": 0.8},
    ]


def test_labels_that_are_not_cocos_count_from_1(start: Start, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON, DOG))
    found = coco(start(labels="person,unicorn"))
    assert [(one["image_id"], one["category_id"]) for one in found] == [(0, 1), (0, 2)]


def test_nothing_found_is_an_empty_list_and_parameters_hold(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    assert coco(client) == []
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    assert coco(client, min_score=0.95) == []


def test_pycocotools_reads_the_answers_and_finds_every_box(
    start: Start, seed_endpoint: SeedEndpoint, tmp_path: Path
) -> None:
    client = start(labels="person,dog")
    seed_endpoint.script = lambda _: reply(answer(PERSON, DOG))
    results = [one for number in (7, 9) for one in coco(client, image_id=number)]
    truth = [{**one, "id": id, "area": 1e4, "iscrowd": 0} for id, one in enumerate(results, start=1)]
    dataset = {
        "info": {},
        "images": [{"id": 7}, {"id": 9}],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
        "annotations": truth,
    }
    (tmp_path / "truth.json").write_text(json.dumps(dataset))
    (tmp_path / "results.json").write_text(json.dumps(results))
    evaluation = COCOeval(known := COCO(str(tmp_path / "truth.json")), known.loadRes(str(tmp_path / "results.json")))
    evaluation.params.iouType = "bbox"
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_the_table_has_cocos_80_categories() -> None:
    assert len(CATEGORIES) == len(set(CATEGORIES.values())) == 80
    assert set(range(1, 91)) - set(CATEGORIES.values()) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


@pytest.mark.parametrize("query", [{"format": "xml"}, {"format": "coco", "image_id": -1}, {"image_id": "seven"}])
def test_an_unknown_format_or_number_is_422(client: httpx2.Client, query: dict[str, Any]) -> None:
    response = client.post("/detect", files={"image": jpeg()}, params=query)
    assert (response.status_code, response.json()["code"]) == (422, "invalid-parameter")


def test_the_format_that_is_named_wins_over_accept(client: httpx2.Client) -> None:
    wish = {"Accept": "image/png"}
    response = client.post("/detect", files={"image": jpeg()}, params={"format": "native"}, headers=wish)
    assert response.json()["count"] == 0
