"""The promise of the whole line: the gateway answers what stock GluonCV finds in the image that the model sees."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from api.endpoint.embedded_process import embedded_endpoint
from tests.api.gateway import gateway
from tests.example_images import HOPPER, stored
from tests.inference.same_boxes import SIZE, stock
from tests.model_dirs import BUNDLED
from tests.seed_endpoint import SeedEndpoint, reply


@pytest.fixture(scope="module")
def local() -> Iterator[httpx2.Client]:
    """The local mode: the gateway and its embedded endpoint with the bundled detector."""
    with embedded_endpoint({"person": BUNDLED}) as embedded, gateway(embedded_socket=embedded.socket) as client:
        while client.get("/health/ready").status_code != 200:
            pass
        yield client


@pytest.fixture
def stock_gluoncv(
    seed_endpoint: SeedEndpoint, mxnet_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx2.Client]:
    """The same gateway, with DETECT_ENDPOINT_NAME, before an endpoint where stock GluonCV looks at each canvas."""

    def look(request: dict[str, Any]) -> Any:
        (tmp_path / "canvas").write_bytes(base64.b64decode(request["image"], validate=True))
        (answer,) = stock(mxnet_python, [tmp_path / "canvas"], request["short"])
        return reply(answer)

    seed_endpoint.script = look
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", seed_endpoint.url)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with gateway(endpoint_name="seed", input_size=SIZE, deadline_seconds=120) as client:
        yield client


def found(client: httpx2.Client, image: bytes, least: float) -> Any:
    query = {"min_score": least}
    return client.post("/detect", files={"image": image}, params=query).raise_for_status().json()


def same(one: dict[str, Any], other: dict[str, Any], score: float, pixels: float) -> bool:
    apart = max(abs(one["box"][side] - other["box"][side]) for side in one["box"])
    return bool(one["label"] == other["label"] and abs(one["score"] - other["score"]) <= score and apart <= pixels)


def assert_same(ours: Any, theirs: Any, least: float, score: float, pixels: float) -> None:
    """What one side finds over `least`, the other finds too; a little under it counts for the other side."""
    assert ours["image"] == theirs["image"]
    for one, other in ((ours, theirs), (theirs, ours)):
        for detection in one["detections"]:
            if detection["score"] >= least + score:
                assert any(same(detection, twin, score, pixels) for twin in other["detections"]), detection


def test_local_mode_and_a_seed_endpoint_on_stock_gluoncv_give_the_same_boxes(
    local: httpx2.Client, stock_gluoncv: httpx2.Client
) -> None:
    ours = found(local, HOPPER.read_bytes(), 0.05)
    assert ours["detections"][0]["score"] > 0.5
    assert_same(ours, found(stock_gluoncv, HOPPER.read_bytes(), 0.05), least=0.05, score=1e-3, pixels=1)


def test_the_image_of_the_original_post_gives_stock_gluoncvs_boxes(
    local: httpx2.Client, stock_gluoncv: httpx2.Client, shared: Path
) -> None:
    image = (shared / "pictures" / "seed" / "messi.jpg").read_bytes()
    ours = found(local, image, 0.05)
    assert (ours["image"]["width"], ours["image"]["height"]) == (770, 433)
    assert_same(ours, found(stock_gluoncv, image, 0.05), least=0.05, score=1e-3, pixels=1)


@pytest.mark.parametrize(("shape", "least"), [("Portrait", 0.3), ("Landscape", 0.5)])
def test_the_eight_orientations_of_one_photograph_give_the_same_boxes(
    local: httpx2.Client, shared: Path, shape: str, least: float
) -> None:
    """In the landscape the model finds nobody so surely: no orientation may show somebody either."""
    folder = shared / "pictures" / "orientation"
    images = [(folder / f"{shape}_{orientation}.jpg").read_bytes() for orientation in range(1, 9)]
    upright = assert_same_in_all(local, images, least)
    assert shape == "Landscape" or upright["detections"][0]["score"] > 0.95


def test_our_photograph_held_in_each_of_the_eight_ways_gives_the_same_boxes(local: httpx2.Client) -> None:
    images = [stored(Image.open(HOPPER), orientation, quality=95) for orientation in range(1, 9)]
    assert assert_same_in_all(local, images, least=0.9)["detections"][0]["score"] > 0.95


def assert_same_in_all(client: httpx2.Client, images: list[bytes], least: float) -> Any:
    """Compare all with the first, whose answer it returns, within 3 pixels of the canvas.

    They were compressed one by one, so their pixels differ, and near its limit the model wavers with that: `least` is
    the score from which on it must not.
    """
    upright, *turned = (found(client, image, 0.05) for image in images)
    pixels = 3 * max(upright["image"]["width"], upright["image"]["height"]) / SIZE
    for answer in turned:
        assert_same(upright, answer, least=least, score=0.05, pixels=pixels)
    return upright
