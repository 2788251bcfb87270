"""The figures are COCO's, in the training as through the gateway, and the card says them."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import card
import evaluate
import sheet
from accuracy import accuracy
from api.endpoint.embedded_process import embedded_endpoint
from tests.api.gateway import gateway
from tests.model_dirs import BUNDLED
from tests.training.conftest import IMAGES, Trained, finished, program

TRUTH = [np.array([[0.1, 0.1, 0.3, 0.5, 1, 0], [0.5, 0.5, 0.9, 0.9, 1, 0], [0.8, 0, 1, 0.2, -1, 0]], np.float32)]
RIGHT = [[0.1, 0.1, 0.3, 0.5, 0.9, 0], [0.5, 0.5, 0.9, 0.9, 0.8, 0]]


@pytest.mark.parametrize(
    ("found", "ap50"),
    [
        (RIGHT, 1.0),
        (RIGHT[:1], 51 / 101),  # recall 0 to 0.50 of COCO's 101 points
        ([*RIGHT, [0.82, 0.02, 0.95, 0.15, 0.95, 0]], 1.0),  # a false alarm where one looks away
        ([*RIGHT, [0.0, 0.6, 0.2, 0.9, 0.95, 0]], (51 * 2 / 3 + 50 * 2 / 3) / 101),  # and one where one does not
        ([], 0.0),
    ],
)
def test_ap50_of_cases_that_one_can_count(found: list[list[float]], ap50: float) -> None:
    measured = accuracy([np.array(found, np.float32).reshape(-1, 6)], TRUTH, ["person"])
    assert measured["AP50"] == pytest.approx(ap50, abs=1e-6)


def test_the_best_score_lies_between_the_right_and_the_wrong() -> None:
    found = np.array([*RIGHT, [0.0, 0.6, 0.2, 0.9, 0.3, 0]], np.float32)
    measured = accuracy([found], TRUTH, ["person"])
    assert 0.3 < measured["min_score"] < 0.81
    assert measured["F1"] == pytest.approx(1)


def test_sizes_are_counted_apart() -> None:
    small = np.array([[0.5, 0.5, 0.52, 0.55, 1, 0], [0, 0, 0.6, 0.6, 1, 0]], np.float32)
    found = np.array([[0.5, 0.5, 0.52, 0.55, 0.9, 0]], np.float32)
    measured = accuracy([found], [small], ["person"])
    assert [measured[f"AP50_{size}"] for size in ("small", "medium", "large")] == pytest.approx([1, -1, 0])
    assert (measured["boxes_small"], measured["boxes_medium"], measured["boxes_large"]) == (1, 0, 1)


@pytest.fixture(scope="module")
def gateway_url() -> Iterator[str]:
    """A gateway in front of the bundled detector."""
    with embedded_endpoint({"person": BUNDLED}) as embedded, gateway(embedded_socket=embedded.socket) as client:
        while client.get("/health/ready").status_code != 200:
            pass
        yield str(client.base_url)


def test_the_gateway_is_measured_with_all_its_detections(gateway_url: str, trained: Trained, tmp_path: Path) -> None:
    finished(program("evaluate", "--test", trained.test, "--url", gateway_url, "--out", tmp_path / "figures.json"))
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["images"] == 30
    assert 0 <= figures["AP50"] <= 1
    assert figures["inference_ms"] > 0


def test_where_no_gateway_answers_it_is_one_line(trained: Trained) -> None:
    process = program("evaluate", "--test", trained.test, "--url", "http://127.0.0.1:9")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "http://127.0.0.1:9 did not answer with detections."
    assert "Traceback" not in errors


def test_the_card_says_the_measured_figures_and_the_model_takes_the_score(trained: Trained, tmp_path: Path) -> None:
    model = {"name": "figures", "version": "2", "labels": ["figure"], "input_size": 300, "network": "a-network"}
    (tmp_path / "model.json").write_text(json.dumps(model))
    (tmp_path / "about.md").write_text("## What it must not be used for\n\nAnything.\n")
    checkpoint = ["--checkpoint", str(trained.run / "last.pt")]
    evaluate.main(["--test", str(trained.test), *checkpoint, "--out", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    known = ["--figures", str(tmp_path / "figures.json"), "--run", str(trained.run)]
    card.main([str(tmp_path), *known, "--about", str(tmp_path / "about.md")])
    text = (tmp_path / "README.md").read_text()
    assert "# figures, version 2" in text
    assert f"**{figures['AP50']:.3f}**" in text
    assert f"{IMAGES:,} images seen" in text
    assert text.endswith("Anything.\n")
    assert json.loads((tmp_path / "model.json").read_text())["min_score"] == round(figures["min_score"], 2)


def test_the_sheet_shows_what_was_wanted_and_what_was_found(trained: Trained, tmp_path: Path) -> None:
    options = ["--test", str(trained.test), "--checkpoint", str(trained.run / "last.pt"), "--min-score", "0.3"]
    sheet.main([*options, "--out", str(tmp_path / "sheet.png")])
    with Image.open(tmp_path / "sheet.png") as image:
        colours = {colour for _, colour in image.getcolors(1 << 24) or []}
    assert {sheet.WANTED, sheet.FOUND} <= colours
