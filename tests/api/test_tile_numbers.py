"""The arithmetic of tiles: laws of where they lie and of what is merged, and sahi as the oracle for both."""

from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sahi.postprocess.combine import NMSPostprocess
from sahi.prediction import ObjectPrediction
from sahi.slicing import get_slice_bboxes

from api.image.fit import resolution
from api.image.tiles import fits_of, grid, rows_and_columns
from api.render.merge import SAME, Row, merged

sides, counts, sizes = st.integers(1, 20_000), st.integers(1, 20), st.integers(32, 2048)
large = st.integers(400, 20_000)


def overlaps(starts: list[int], length: int) -> list[int]:
    return [one + length - other for one, other in pairwise(starts)]


@given(sides, sides, counts, counts)
def test_tiles_lie_in_the_image_cover_it_and_are_of_one_size(width: int, height: int, rows: int, columns: int) -> None:
    tiles = grid(width, height, rows, columns)
    (size,) = {(wide, high) for _, _, wide, high in tiles}
    for axis, side in enumerate((width, height)):
        starts = sorted({tile[axis] for tile in tiles})
        assert starts[0] == 0
        assert starts[-1] + size[axis] == side
        assert all(overlap >= 0 for overlap in overlaps(starts, size[axis]))
    assert len(tiles) == len(set(tiles)) <= rows * columns


@given(large, large, counts, counts)
def test_neighbours_overlap_by_a_fifth_or_more_and_no_tile_is_larger_than_that_needs(
    width: int, height: int, rows: int, columns: int
) -> None:
    tiles = grid(width, height, rows, columns)
    assert len(tiles) == rows * columns
    for axis, (side, count) in enumerate(((width, columns), (height, rows))):
        starts, length = sorted({tile[axis] for tile in tiles}), tiles[0][2 + axis]
        assert all(overlap >= length / 5 for overlap in overlaps(starts, length))
        assert length <= ceil(5 * side / (5 + 4 * (count - 1))) + 2


@given(sides, sides, sizes, st.integers(1, 100))
def test_auto_keeps_within_the_limit_and_below_it_makes_no_tile_longer_than_two_canvases(
    width: int, height: int, size: int, most: int
) -> None:
    rows, columns = rows_and_columns(width, height, size, "auto", most)
    assert 1 <= rows * columns <= most
    unlimited = rows_and_columns(width, height, size, "auto", 10**9)
    if (rows, columns) == unlimited:
        _, _, wide, high = grid(width, height, rows, columns)[0]
        assert max(wide, high) <= 2 * size + 2
    if max(width, height) <= 2 * size:
        assert (rows, columns) == (1, 1)


@given(large, large, sizes, st.sampled_from(["stretch", "pad"]), st.tuples(counts, counts))
def test_the_whole_image_comes_first_and_each_canvas_comes_back_as_its_part(
    width: int, height: int, size: int, fit: str, shape: tuple[int, int]
) -> None:
    whole, *parts = fits_of(width, height, fit, size, f"{shape[0]}x{shape[1]}", 400)
    assert (whole.x, whole.y, whole.width, whole.height) == (0, 0, width, height)
    assert len(parts) == (shape[0] * shape[1] if shape != (1, 1) else 0)
    for one in (whole, *parts):
        drawing = (one.left, one.top, one.left + one.drawn_width, one.top + one.drawn_height)
        expected = (one.x, one.y, one.x + one.width, one.y + one.height)
        assert one.to_image(drawing) == pytest.approx(expected)
    fine = resolution([whole, *parts], width, height)
    assert all(fine[0] * one.width >= width * one.drawn_width for one in parts)


@given(st.integers(100, 4000), st.integers(100, 4000), st.integers(1, 6), st.integers(1, 6))
def test_tiles_lie_where_sahi_puts_them(width: int, height: int, rows: int, columns: int) -> None:
    """Sahi rounds its overlap down, which may shift a tile by a pixel against the one before."""
    ours = grid(width, height, rows, columns)
    _, _, wide, high = ours[0]
    theirs = get_slice_bboxes(height, width, slice_height=high, slice_width=wide)
    for x, y, *_ in ours:
        assert min(max(abs(x - left), abs(y - top)) for left, top, _, _ in theirs) <= max(rows, columns)


corner, side = st.integers(0, 300), st.integers(1, 150)
boxes = st.builds(lambda x, y, w, h: (float(x), float(y), float(x + w), float(y + h)), corner, corner, side, side)
found = st.lists(
    st.builds(Row, st.integers(0, 2), st.floats(0.01, 1), boxes), max_size=25, unique_by=lambda row: row[1]
)


def best_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row.score)


def iou(one: Row, other: Row) -> float:
    width = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    height = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one.box, other.box)]
    return shared / (sum(areas) - shared)


@given(found)
def test_merging_keeps_the_best_of_what_overlaps_and_loses_nothing_else(rows: list[Row]) -> None:
    kept = list(merged(best_first(rows)))
    assert set(kept) <= set(rows)
    assert kept == best_first(kept)
    assert list(merged(kept)) == kept, "again it changes nothing"
    for row in rows:
        near = [one for one in kept if one.class_id == row.class_id and one.score >= row.score]
        assert row in kept or any(iou(row, one) > SAME for one in near)


@given(found)
def test_merging_keeps_what_sahis_suppression_keeps(rows: list[Row]) -> None:
    suppress = NMSPostprocess(match_threshold=SAME, match_metric="IOU", class_agnostic=False)
    predictions = [
        ObjectPrediction(bbox=list(row.box), category_id=row.class_id, score=row.score, full_shape=[500, 500])
        for row in rows
    ]
    theirs = {(one.category.id, *one.bbox.to_xyxy()) for one in suppress(predictions)} if predictions else set()
    at_the_edge = any(abs(iou(one, other) - SAME) < 1e-6 for one in rows for other in rows)
    assert at_the_edge or {(row.class_id, *row.box) for row in merged(best_first(rows))} == theirs
