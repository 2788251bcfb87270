"""A few hundred steps from random weights are enough for drawn figures, and being stopped costs nothing."""

from pathlib import Path

import pytest
from PIL import Image

from accuracy import accuracy
from dataset import read_set
from detect import detections
from learner import trained_network
from tests.training.conftest import IMAGES, SIZE, Trained, finished, program, rows


def test_a_few_hundred_steps_find_most_of_the_drawn_figures(trained: Trained) -> None:
    net, _ = trained_network(trained.run / "last.pt")
    test = read_set(trained.test)
    measured = accuracy(detections(net, test.images, SIZE, "cpu"), test.boxes, test.classes)
    assert measured["AP50"] > 0.5
    assert measured["recall"] > 0.5
    assert measured["precision"] > 0.5


def test_a_run_that_was_stopped_goes_on_where_it_was_and_ends_where_it_should(trained: Trained) -> None:
    seen = [row["images"] for row in trained.log]
    assert 0 < trained.stopped_at < IMAGES
    assert seen == sorted(set(seen))
    assert seen[-1] == IMAGES
    after = next(row for row in trained.log if row["images"] > trained.stopped_at)
    assert after["score"] < trained.log[0]["score"]


def test_the_learning_rate_falls_and_the_losses_with_it(trained: Trained) -> None:
    first, last = trained.log[1], trained.log[-1]
    assert last["rate"] < 0.02 * 5e-3
    assert last["score"] < first["score"]
    assert last["place"] < first["place"]


def test_the_curves_are_a_image(trained: Trained) -> None:
    with Image.open(trained.run / "curves.png") as curves:
        assert curves.width > 500
        assert len(curves.convert("RGB").getcolors(1 << 24) or []) > 10


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "There is no checkpoint"), (b"not one", "is no checkpoint of this program's")],
)
def test_what_cannot_be_resumed_is_one_line(trained: Trained, tmp_path: Path, content: bytes | None, said: str) -> None:
    if content:
        (tmp_path / "last.pt").write_bytes(content)
    process = program("train", "--data", trained.train, "--test", trained.test, "--out", tmp_path, "--resume")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said in errors
    assert len(errors.splitlines()) == 1


def test_a_training_may_start_from_weights(trained: Trained, tmp_path: Path) -> None:
    weights = tmp_path / "figure.params"
    finished(program("gluon_params", trained.run / "last.pt", weights))
    how = ["--out", tmp_path, "--batch", 12, "--rate", 1e-4, "--size", SIZE, "--first-size", SIZE, "--workers", 1]
    sets = ["--data", trained.train, "--test", trained.test]
    finished(program("train", *sets, *how, "--images", 24, "--weights", weights))
    assert rows(tmp_path / "log.jsonl")[-1]["AP50"] > 0.5
