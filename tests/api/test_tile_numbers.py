"""The arithmetic of tiles: laws of where they lie, and of what is kept of the boxes that they have found."""

from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.image.fit import Corners, resolution
from api.image.tiles import fits_of, grid, is_cut, rows_and_columns
from api.render.merge import PIECE, SAME, Row, best_first, merged

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


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((300, 200, 400, 300), False),
        ((201, 200, 300, 300), True),
        ((210, 200, 300, 300), False),
        ((500, 200, 599, 300), True),
        ((300, 101, 400, 300), True),
        ((300, 200, 400, 398), True),
    ],
    ids=["inside", "left", "near the left", "right", "top", "bottom"],
)
def test_a_box_is_cut_where_its_tile_ends_and_the_image_goes_on(box: Corners, cut: bool) -> None:
    assert is_cut(box, (200, 100, 400, 300), 1000, 800) is cut
    assert not is_cut(box, (200, 100, 400, 300), 600, 400) or box[0] < 204 or box[1] < 103
    assert not is_cut(box, (0, 0, 1000, 800), 1000, 800), "nothing cuts the whole image"


corner, side = st.integers(0, 300), st.integers(1, 150)
boxes = st.builds(lambda x, y, w, h: (float(x), float(y), float(x + w), float(y + h)), corner, corner, side, side)
found = st.lists(st.builds(Row, st.integers(0, 2), st.floats(0.01, 1), boxes, st.booleans()), max_size=25, unique=True)


def shared(one: Corners, other: Corners) -> float:
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def same(one: Row, other: Row) -> bool:
    common = shared(one.box, other.box)
    union = area(one.box) + area(other.box) - common
    return one.class_id == other.class_id and common > SAME * union


def piece(one: Row, other: Row) -> bool:
    common = shared(one.box, other.box)
    return one.cut and one.class_id == other.class_id and common > PIECE * area(one.box)


@given(found)
def test_what_is_kept_is_sorted_and_no_two_of_it_are_one_object(rows: list[Row]) -> None:
    kept = merged(rows)
    assert kept == best_first(kept)
    assert not [one for one in kept for other in kept if one is not other and same(one, other)]
    assert merged(kept) == kept, "again it changes nothing"


@given(found)
def test_nothing_is_lost_but_what_a_better_box_shows_or_a_whole_one(rows: list[Row]) -> None:
    kept = merged(rows)
    assert set(kept) <= set(rows)
    for row in set(rows) - set(kept):
        better = [one for one in kept if (one.cut, -one.score) <= (row.cut, -row.score)]
        assert any(same(row, one) or piece(row, one) for one in better)


@given(found)
def test_boxes_that_nothing_cuts_are_kept_whatever_is_cut_beside_them(rows: list[Row]) -> None:
    whole = [row for row in rows if not row.cut]
    assert [row for row in merged(rows) if not row.cut] == merged(whole)
