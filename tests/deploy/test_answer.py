"""Which answers keep the endpoint's contract."""

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.smoke import ROWS, faults

SIDE = 64


def answer(boxes: list[list[float]], scores: list[float]) -> dict[str, Any]:
    """An answer with these boxes, the rest of the rows unused."""
    unused = ROWS - len(boxes)
    return {
        "shape": [1, 3, SIDE, SIDE],
        "cid": [[0.0]] * len(boxes) + [[-1.0]] * unused,
        "score": [[score] for score in scores] + [[-1.0]] * unused,
        "bbox": boxes + [[-1.0] * 4] * unused,
    }


GOOD = answer([[1.0, 2.0, 30.0, 40.0], [-3.0, 5.0, 70.0, 9.0]], [0.9, 0.4])


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The good answer with one thing replaced."""
    result = copy.deepcopy(GOOD)
    place: Any = result
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return result


@pytest.mark.parametrize("good", [GOOD, answer([], []), {**GOOD, "model": "more"}, answer([[1, 1, 1, 1]], [0.01])])
def test_a_good_answer_has_no_faults(good: dict[str, Any]) -> None:
    assert faults(good, SIDE) == []


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {key: value for key, value in GOOD.items() if key != "cid"},
        changed(("shape",), [1, 3, SIDE, SIDE + 1]),
        changed(("score",), GOOD["score"][:99]),
        changed(("score", 0), 0.9),
        changed(("score", 0), [None]),
        changed(("score", 0), [True]),
        changed(("score", 0), [math.nan]),
        changed(("score", 0), [0.1]),
        changed(("bbox", 0), [1.0, 2.0, 3.0]),
        changed(("bbox", 0), [1.0, 2.0, 3.0, math.inf]),
        changed(("bbox", 0), [30.0, 2.0, 1.0, 40.0]),
        changed(("bbox", 0), [64.0, 2.0, 70.0, 40.0]),
        changed(("cid", 0), ["person"]),
    ],
)
def test_a_bad_answer_has_faults(bad: Any) -> None:
    assert faults(bad, SIDE)


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.dictionaries(st.text(), st.none())
)
def test_nothing_that_json_can_hold_breaks_the_check(anything: Any) -> None:
    assert faults(anything, SIDE)
    for key in GOOD:
        faults(GOOD | {key: anything}, SIDE)
