"""The arithmetic between image and canvas: laws, and a table of the corners."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.image.fit import FITS, Corners, Fit

sides = st.integers(1, 20_000)
sizes = st.integers(32, 2048)
fits = st.sampled_from(sorted(FITS)).map(FITS.__getitem__)
fitted = st.builds(lambda fit, width, height, size: fit(width, height, size), fits, sides, sides, sizes)


def to_canvas(fit: Fit, x: float, y: float) -> tuple[float, float]:
    return fit.left + x * fit.drawn_width / fit.width, fit.top + y * fit.drawn_height / fit.height


@given(fitted, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_drawn_on_the_canvas_comes_back_where_it_was(fit: Fit, shares: list[float]) -> None:
    (x_min, x_max), (y_min, y_max) = sorted(shares[:2]), sorted(shares[2:])
    box = (x_min * fit.width, y_min * fit.height, x_max * fit.width, y_max * fit.height)
    back = fit.to_image((*to_canvas(fit, *box[:2]), *to_canvas(fit, *box[2:])))
    if back is None:
        assert box[2] - box[0] < 1e-6 * fit.width or box[3] - box[1] < 1e-6 * fit.height
    else:
        assert back == pytest.approx(box, abs=1e-6 * max(fit.width, fit.height))


@given(fitted, st.tuples(*[st.floats(-5000, 5000)] * 4))
def test_whatever_comes_back_lies_inside_the_image_and_has_area(fit: Fit, box: Corners) -> None:
    if back := fit.to_image(box):
        x_min, y_min, x_max, y_max = back
        assert 0 <= x_min < x_max <= fit.width
        assert 0 <= y_min < y_max <= fit.height


@given(fitted)
def test_the_whole_drawing_is_the_whole_image(fit: Fit) -> None:
    drawing = (fit.left, fit.top, fit.left + fit.drawn_width, fit.top + fit.drawn_height)
    assert fit.to_image(drawing) == pytest.approx((0, 0, fit.width, fit.height))


@given(fits, sides, sides, sizes)
def test_the_drawing_lies_on_the_canvas(fit: object, width: int, height: int, size: int) -> None:
    drawn = fit(width, height, size)  # type: ignore[operator]  # hypothesis hands over the function as an object
    assert 0 <= drawn.left < drawn.left + drawn.drawn_width <= size
    assert 0 <= drawn.top < drawn.top + drawn.drawn_height <= size


@given(sides, sides, sizes)
def test_pad_keeps_the_aspect_within_half_a_pixel(width: int, height: int, size: int) -> None:
    drawn, longer = FITS["pad"](width, height, size), max(width, height)
    assert max(drawn.drawn_width, drawn.drawn_height) == size
    assert abs(drawn.drawn_width - width * size / longer) <= 0.5 or drawn.drawn_width == 1
    assert abs(drawn.drawn_height - height * size / longer) <= 0.5 or drawn.drawn_height == 1


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 512, 512), (0, 0, 1, 403)),
        ((0, 128, 512, 256), (0, 100.75, 1, 201.5)),
        ((-10, -10, 600, 600), (0, 0, 1, 403)),
        ((512, 0, 600, 512), None),
        ((100, 100, 100, 200), None),
        ((200, 100, 100, 200), None),
    ],
    ids=["whole", "part", "over every edge", "outside", "no width", "corners swapped"],
)
def test_an_image_of_one_column_keeps_its_boxes(box: Corners, expected: Corners | None) -> None:
    assert FITS["stretch"](1, 403, 512).to_image(box) == expected
