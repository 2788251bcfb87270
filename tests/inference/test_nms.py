"""Non-maximum suppression, against a slow one written from GluonCV's description."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import nms

SHAPE = (1, 3, 300, 300)


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Any, Any]:
    """Scores and boxes as a network gives them; scores are all different, so that there is one right order."""
    count, classes = draw(st.integers(0, 40)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = random.permutation(count * classes).reshape(count, classes) / max(1, count * classes)
    corners = random.integers(0, 60, (count, 2))
    return scores.astype(np.float32), np.hstack((corners, corners + random.integers(0, 50, (count, 2)))).astype(
        np.float32
    )


def overlap(one: Any, other: Any) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(width * height / (sum(areas) - width * height))


def slow(scores: Any, boxes: Any) -> list[tuple[int, float, Any]]:
    found = [(c, scores[n, c], boxes[n]) for c in range(scores.shape[1]) for n in range(len(scores))]
    kept: list[tuple[int, float, Any]] = []
    for row in sorted((row for row in found if row[1] > 0.01), key=lambda row: -row[1])[:400]:
        if all(row[0] != best[0] or overlap(row[2], best[2]) <= 0.45 for best in kept):
            kept.append(row)
    return kept[:100]


@given(candidates())
def test_suppression_keeps_what_the_slow_one_keeps(found: tuple[Any, Any]) -> None:
    answer, expected = nms.detections(*found, SHAPE), slow(*found)
    assert answer.ids[: len(expected), 0].tolist() == [row[0] for row in expected]
    assert np.allclose(answer.scores[: len(expected), 0], [row[1] for row in expected])
    assert np.allclose(answer.boxes[: len(expected)], np.reshape([row[2] for row in expected], (-1, 4)))
    assert (np.hstack(answer[1:])[len(expected) :] == -1).all()


@given(candidates())
def test_there_are_always_100_rows_sorted_by_score(found: tuple[Any, Any]) -> None:
    answer = nms.detections(*found, SHAPE)
    assert (answer.ids.shape, answer.scores.shape, answer.boxes.shape) == ((100, 1), (100, 1), (100, 4))
    assert (np.diff(answer.scores[:, 0]) <= 0).all()


@given(candidates())
def test_suppressing_again_changes_nothing(found: tuple[Any, Any]) -> None:
    first = nms.detections(*found, SHAPE)
    used = first.scores[:, 0] > 0
    scores = np.zeros((int(used.sum()), found[0].shape[1]), np.float32)
    scores[np.arange(len(scores)), first.ids[used, 0].astype(int)] = first.scores[used, 0]
    again = nms.detections(scores, first.boxes[used], SHAPE)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@settings(max_examples=5)
@given(st.integers(0, 100))
def test_only_the_400_best_compete_and_100_survive(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.permutation(1000)[:, None] * 10.0 * np.ones(2)
    scores = random.permutation(1000).reshape(-1, 1) / 1000
    answer = nms.detections(scores, np.hstack((corners, corners + 5)).astype(np.float32), SHAPE)
    assert np.allclose(answer.scores[:, 0], np.arange(999, 899, -1) / 1000)
    ids, _, _ = nms.candidates(scores, np.zeros((1000, 4)))
    assert len(ids) == 400
