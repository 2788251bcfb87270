"""How well people are found in COCO's photographs, through the gateway, as COCO measures it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from api.endpoint.embedded_process import embedded_endpoint
from inference.evaluation import average_precision, evaluate
from tests.api.gateway import gateway
from tests.bench.photographs import Images

PERSON = [1]  # COCO's category
ALL = {"min_score": 0.01, "labels": "person"}
SIZES = ("all", "small", "medium", "large")


@contextmanager
def serving(models: Mapping[str, Path]) -> Iterator[httpx2.Client]:
    """A gateway with the models of these directories, by their names."""
    endpoints = {name: {"model_dir": folder} for name, folder in models.items()}
    with (
        embedded_endpoint(dict(models)) as embedded,
        gateway(embedded_socket=embedded.socket, endpoints=endpoints) as client,
    ):
        while client.get("/health/ready").status_code != 200:
            time.sleep(0.1)
        yield client


def detect(client: httpx2.Client, image: bytes, **parameters: Any) -> dict[str, Any]:
    """The gateway's response."""
    response: dict[str, Any] = client.post("/detect", params=parameters, content=image).raise_for_status().json()
    return response


def ask(client: httpx2.Client, several: Images, **parameters: Any) -> tuple[float, list[dict[str, Any]]]:
    """Calls to the endpoint for an image, and the boxes as COCO's results."""
    calls, results = 0, []
    for image_id, file in several.files.items():
        answer = detect(client, file, **ALL, **parameters)
        calls += answer["calls"]
        results += [result(image_id, one["score"], tuple(one["box"].values())) for one in answer["detections"]]
    return calls / len(several.files), results


def result(image_id: int, score: float, box: tuple[float, ...]) -> dict[str, Any]:
    """One box as COCO writes it."""
    x_min, y_min, x_max, y_max = box
    bbox = [x_min, y_min, x_max - x_min, y_max - y_min]
    return {"image_id": image_id, "category_id": 1, "bbox": bbox, "score": score}


def precision(several: Images, results: list[dict[str, Any]]) -> list[str]:
    """AP and AP50 of all people, then by their size."""
    evaluation = evaluate(several.dataset, results, PERSON)
    return [
        f"{average_precision(evaluation, None, size):.3f} / {average_precision(evaluation, 0, size):.3f}"
        for size in range(len(SIZES))
    ]


def measured(several: Images, results: list[dict[str, Any]], threshold: int | None = 0) -> float:
    """AP50 of all people; AP for the threshold None."""
    return average_precision(evaluate(several.dataset, results, PERSON), threshold)
