"""From bytes to the canvas: every mode becomes right RGB, orientation is applied."""

import io
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from api.fit import FITS
from api.picture import PAD_GREY, UPRIGHT, admit, canvas, upright
from tests.pictures import encoded, pixel, scene

ALL = ("jpeg", "png", "webp", "gif", "bmp", "tiff")


def drawn(data: bytes, size: int = 100, fit: str = "stretch") -> Image.Image:
    picture = admit(data, ALL, 10**9, 10**5)
    fitted = FITS[fit](picture.width, picture.height, size)
    return Image.open(io.BytesIO(canvas(picture, fitted, size, "png")))


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures, in steps of 0 to 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


def quarters(mode: str, colours: list[Any]) -> Image.Image:
    """Four flat quarters: top left, top right, bottom left, bottom right."""
    image = Image.new(mode, (100, 100))
    for at, colour in zip(((0, 0), (50, 0), (0, 50), (50, 50)), colours, strict=True):
        image.paste(colour, (*at, at[0] + 50, at[1] + 50))
    return image


GREYS = [0, 85, 170, 255]
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


def palette() -> Image.Image:
    return quarters("RGB", COLOURS).quantize(8)


def transparent_palette() -> bytes:
    image = quarters("P", [0, 1, 2, 3])
    image.putpalette([9, 9, 9, 0, 255, 0, 0, 0, 255, 255, 255, 255])
    return encoded(image, "PNG", transparency=0)


def sixteen_bit() -> Image.Image:
    image = Image.new("I;16", (100, 100))
    image.putdata([GREYS[x // 50 + y // 50 * 2] * 257 for y in range(100) for x in range(100)])
    return image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(quarters("RGB", COLOURS), "PNG"), COLOURS),
        (encoded(quarters("L", GREYS), "PNG"), [(v, v, v) for v in GREYS]),
        (encoded(quarters("1", [0, 1, 1, 0]), "PNG"), [(v, v, v) for v in (0, 255, 255, 0)]),
        (encoded(sixteen_bit(), "PNG"), [(v, v, v) for v in GREYS]),
        (encoded(palette(), "PNG"), COLOURS),
        (transparent_palette(), [(255, 255, 255), *COLOURS[1:]]),
        (
            encoded(quarters("RGBA", [(255, 0, 0, 255), (9, 9, 9, 0), (0, 0, 255, 255), (0, 0, 0, 128)]), "PNG"),
            [(255, 0, 0), (255, 255, 255), (0, 0, 255), (127, 127, 127)],
        ),
        (
            encoded(quarters("LA", [(0, 255), (0, 0), (170, 255), (255, 255)]), "PNG"),
            [(v,) * 3 for v in (0, 255, 170, 255)],
        ),
        (encoded(quarters("CMYK", [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0)])), COLOURS),
        (encoded(quarters("L", GREYS)), [(v, v, v) for v in GREYS]),
    ],
    ids=["RGB", "L", "1", "I;16", "P", "P with tRNS", "RGBA", "LA", "CMYK JPEG", "L JPEG"],
)
def test_every_mode_becomes_the_rgb_that_people_see(data: bytes, expected: list[tuple[int, ...]]) -> None:
    image = drawn(data)
    seen = [pixel(image, at) for at in ((25, 25), (75, 25), (25, 75), (75, 75))]
    assert image.mode == "RGB"
    for have, want in zip(seen, expected, strict=True):
        assert have == pytest.approx(want, abs=4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_to_size_and_pixels(orientation: int, format: str) -> None:
    """UPRIGHT turns stored pixels upright; its inverse made the stored ones."""
    right = scene(120, 80)
    inverse = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = right.transpose(inverse.get(orientation, UPRIGHT[orientation])) if orientation > 1 else right
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, format, exif=exif, **({"quality": 95} if format in ("JPEG", "WEBP") else {}))
    picture = admit(data, ALL, 10**9, 10**5)
    assert (picture.width, picture.height) == (120, 80)
    assert difference(upright(picture), right) < 6
    assert difference(drawn(data, fit="pad"), drawn(encoded(right, "PNG"), fit="pad")) < 6


def test_an_absurd_orientation_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert admit(encoded(scene(), exif=exif), ALL, 10**9, 10**5).orientation == 1


def test_a_large_jpeg_decoded_at_reduced_scale_gives_the_same_canvas() -> None:
    large = scene(1601, 1203)
    assert difference(drawn(encoded(large, quality=100, subsampling=0), 300), drawn(encoded(large, "PNG"), 300)) < 1.5


def test_letterbox_stands_in_the_middle_on_the_mean_colour() -> None:
    image = drawn(encoded(Image.new("RGB", (200, 100), "red"), "PNG"), fit="pad")
    column = [pixel(image, (50, y)) for y in (0, 24, 25, 74, 75, 99)]
    assert column == [PAD_GREY, PAD_GREY, (255, 0, 0), (255, 0, 0), PAD_GREY, PAD_GREY]


def test_an_animation_is_judged_by_its_first_frame() -> None:
    first, second = Image.new("RGB", (60, 40), "red"), Image.new("RGB", (60, 40), "blue")
    for format in ("PNG", "WEBP", "GIF"):
        data = encoded(first, format, save_all=True, append_images=[second])
        assert pixel(drawn(data), (50, 50))[0] > 200, format
