"""Tiles and what is merged of them against sahi, which is the library that others slice images with."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.image.tiles import grid
from api.render.merge import SAME, Row, merged

# OpenCV, which it needs, needs libraries of the system.
slicing = pytest.importorskip("sahi.slicing", exc_type=ImportError)
combine = pytest.importorskip("sahi.postprocess.combine", exc_type=ImportError)
prediction = pytest.importorskip("sahi.prediction", exc_type=ImportError)

corner, side = st.integers(0, 300), st.integers(1, 150)
boxes = st.builds(lambda x, y, w, h: (float(x), float(y), float(x + w), float(y + h)), corner, corner, side, side)
uncut = st.builds(Row, st.integers(0, 2), st.floats(0.01, 1), boxes, st.just(False))
however_long = settings(deadline=None)


@however_long
@given(st.integers(100, 4000), st.integers(100, 4000), st.integers(1, 6), st.integers(1, 6))
def test_tiles_lie_where_sahi_puts_them(width: int, height: int, rows: int, columns: int) -> None:
    """Sahi rounds its overlap down, which may shift a tile by a pixel against the one before."""
    ours = grid(width, height, rows, columns)
    _, _, wide, high = ours[0]
    theirs = slicing.get_slice_bboxes(height, width, slice_height=high, slice_width=wide)
    for x, y, *_ in ours:
        assert min(max(abs(x - left), abs(y - top)) for left, top, _, _ in theirs) <= max(rows, columns)


@however_long
@given(st.lists(uncut, max_size=25, unique_by=lambda row: row.score))
def test_of_boxes_that_no_tile_cuts_is_kept_what_sahis_suppression_keeps(found: list[Row]) -> None:
    suppress = combine.NMSPostprocess(match_threshold=SAME, match_metric="IOU", class_agnostic=False)
    predictions = [
        prediction.ObjectPrediction(
            bbox=list(row.box), category_id=row.class_id, score=row.score, full_shape=[500, 500]
        )
        for row in found
    ]
    theirs = {(one.category.id, *one.bbox.to_xyxy()) for one in suppress(predictions)} if predictions else set()
    at_the_edge = any(abs(_iou(one.box, other.box) - SAME) < 1e-6 for one in found for other in found)
    assert at_the_edge or {(row.class_id, *row.box) for row in merged(found)} == theirs


def _iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)
