"""A model directory replaced under `detect-gateway serve`: taken up without a dropped request, in every worker."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.clients import EVERYTHING, JPEG, Load, load
from tests.api.processes import Served, run, workers_of
from tests.api.responses import problem
from tests.example_images import HOPPER
from tests.model_dirs import broken, replace, variant
from tests.waiting import wait_for

IMAGE = HOPPER.read_bytes()
OLD: dict[str, Any] = {"version": "old", "labels": ["person"]}
NEW: dict[str, Any] = {"version": "new", "labels": ["human"], "input_size": 256, "fit": "pad", "min_score": 0.3}

Serve = Callable[..., Served]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts `detect-gateway serve` with these variables."""
    with ExitStack() as stack:

        def serve(*options: str, **variables: str) -> Served:
            for name, value in {"DETECT_DRAIN_SECONDS": "0", **variables}.items():
                monkeypatch.setenv(name, value)
            served = Served(*options)
            stack.callback(served.end)
            return served

        yield serve


@contextmanager
def asked(served: Served) -> Iterator[Load]:
    with load(served.url, 3, [IMAGE]) as requests:
        wait_for(lambda: len(requests.answers) > 10, seconds=20)
        yield requests


def versions(requests: Load) -> list[str]:
    return [response.json()["model"]["version"] for status, _, response in requests.answers if status == 200]


def all_new(requests: Load) -> bool:
    return versions(requests)[-30:] == ["new"] * 30


def assert_lost_nothing(requests: Load) -> None:
    """No request failed, and each answer is of one model from its version to its labels and boxes."""
    assert not requests.failures
    assert requests.statuses.keys() == {200}
    boxes: dict[str, set[str]] = {"old": set(), "new": set()}
    for _, _, response in requests.answers:
        body = response.json()
        version, found = body["model"]["version"], body["detections"]
        boxes[version].add(json.dumps([one["box"] for one in found]))
        assert {one["label"] for one in found} == {"person" if version == "old" else "human"}
    assert len(boxes["old"]) == len(boxes["new"]) == 1
    assert boxes["old"] != boxes["new"]


def told(served: Served, path: str = "/model") -> list[Any]:
    """What several connections, and so several workers, say."""
    return [httpx2.get(served.url + path).raise_for_status().json() for _ in range(6)]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_reload_under_load_loses_no_request_and_every_worker_follows(
    serve: Serve, tmp_path: Path, workers: str
) -> None:
    directory = variant(tmp_path / "model", **OLD)
    served = serve("--workers", workers, DETECT_MODEL_DIR=str(directory))
    with asked(served) as requests:
        replace(directory, variant(tmp_path / "next", 0.5, **NEW))
        card = served.client.post("/models/person-300/reload").raise_for_status().json()
        wait_for(lambda: all_new(requests), seconds=30)
    assert_lost_nothing(requests)
    assert card.items() >= NEW.items()
    assert all(one == card for one in told(served)), "in every worker"
    assert all(one["model"] == {"name": "person-300", "version": "new"} for one in told(served, "/health"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_under_load_does_the_same(serve: Serve, tmp_path: Path, workers: str) -> None:
    directory = variant(tmp_path / "model", **OLD)
    served = serve("--workers", workers, DETECT_MODEL_DIR=str(directory))
    with asked(served) as requests:
        replace(directory, variant(tmp_path / "next", 0.5, **NEW))
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: all_new(requests), seconds=60)
    assert_lost_nothing(requests)
    assert all(one.items() >= NEW.items() for one in told(served))


def test_a_broken_replacement_keeps_the_old_model_whatever_is_done(serve: Serve, tmp_path: Path) -> None:
    directory = variant(tmp_path / "model", **OLD)
    served = serve("--workers", "2", DETECT_MODEL_DIR=str(directory))
    before = told(served)[0]
    with asked(served) as requests:
        replace(directory, broken(tmp_path / "next"))
        problem(served.client.post("/models/person-300/reload"), 409, "not-reloaded")
        (directory / "model.json").unlink()
        workers = set(workers_of(served.process.pid))
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not workers & set(workers_of(served.process.pid)), seconds=60)
    assert not requests.failures
    assert requests.statuses.keys() == {200}
    assert set(versions(requests)) == {"old"}
    assert all(one == before for one in told(served))
    replace(directory.with_name("model.old"), variant(tmp_path / "mended", 0.5, **NEW))
    directory.rename(tmp_path / "junk")
    directory.with_name("model.old").rename(directory)
    assert served.client.post("/models/person-300/reload").json()["version"] == "new"


def test_two_model_directories_give_each_ones_boxes_and_are_reloaded_one_by_one(serve: Serve, tmp_path: Path) -> None:
    large, small = variant(tmp_path / "large", min_score=0.5, **OLD), variant(tmp_path / "small", 0.5, **NEW)
    models = {"large": {"model_dir": str(large)}, "small": {"model_dir": str(small), "min_score": 0.25}}
    served = serve(DETECT_ENDPOINTS=json.dumps(models))
    wait_for(lambda: served.client.get("/health/ready", params={"model": "small"}).is_success, seconds=20)

    def found(model: str) -> Any:
        posted = served.client.post(f"{EVERYTHING}&model={model}", content=IMAGE, headers=JPEG)
        return posted.raise_for_status().json()["detections"]

    before = {name: found(name) for name in models}
    assert [before[name][0]["label"] for name in models] == ["person", "human"]
    assert before["large"][0]["box"] != before["small"][0]["box"]
    assert [one["min_score"] for one in served.client.get("/models").json()["models"]] == [0.5, 0.25]
    states = served.client.get("/health").json()["models"]
    assert [(one["name"], one["version"], one["endpoint"]["ready"]) for one in states] == [
        ("large", "old", True),
        ("small", "new", True),
    ]
    replace(large, variant(tmp_path / "next", 0.5, **NEW))
    served.client.post("/models/large/reload").raise_for_status()
    assert [one["box"] for one in found("large")] == [one["box"] for one in found("small")]
    assert found("small") == before["small"]


def test_the_terminal_asks_one_of_several_models_here(serve: Serve, tmp_path: Path) -> None:
    models = {"large": {"model_dir": str(variant(tmp_path / "a", **OLD))}}
    models["small"] = {"model_dir": str(variant(tmp_path / "b", 0.5, **NEW))}
    answered = run("detect", HOPPER, "--json", "--model", "small", DETECT_ENDPOINTS=json.dumps(models))
    assert json.loads(answered.stdout)["detections"][0]["label"] == "human"
