"""From bytes to the canvas: every mode becomes right RGB, orientation is applied."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from api.errors import UndecodableImage
from api.image.decode import PAD_GREY, canvases, upright
from api.image.draw import annotate
from api.image.fit import FITS
from api.image.inspection import inspect
from tests.example_images import encoded, jpeg, pixel, scene, stored
from tests.hostile import ALL_AT_ONCE, ONE_BY_ONE, flat_jpeg, header
from tests.hostile import data as data_of_png

ALL = ("jpeg", "png", "webp", "gif", "bmp", "tiff")


def drawn(data: bytes, size: int = 100, fit: str = "stretch") -> Image.Image:
    upload = inspect(data, ALL, 10**9, 10**5)
    fitted = FITS[fit](upload.width, upload.height, size)
    return Image.open(io.BytesIO(canvases(upload, [fitted], size, "png")[0]))


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two images, in steps of 0 to 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


def quarters(mode: str, colours: list[Any]) -> Image.Image:
    """Four flat quarters: top left, top right, bottom left, bottom right."""
    image = Image.new(mode, (100, 100))
    for at, colour in zip(((0, 0), (50, 0), (0, 50), (50, 50)), colours, strict=True):
        image.paste(colour, (*at, at[0] + 50, at[1] + 50))
    return image


GREYS = [0, 85, 170, 255]
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
THROUGH = [(255, 0, 0), (255, 255, 255), (0, 0, 255), (127, 127, 127)]  # on white
INKS = [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0)]


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


def deep_png(colour: int, pixels: Sequence[tuple[int, ...]]) -> bytes:
    """A PNG of 16 bits a channel, in four quarters of these pixels (0 to 255)."""
    samples = [b"".join(bytes((value, value)) for value in one) for one in pixels]
    rows = [b"\0" + samples[y // 50 * 2] * 50 + samples[y // 50 * 2 + 1] * 50 for y in range(100)]
    return header(100, 100, colour, 16) + data_of_png(*rows)


def adobe_cmyk() -> bytes:
    """As Photoshop writes it: inverted, and marked as Adobe's; Pillow writes it so."""
    data = encoded(quarters("CMYK", INKS), quality=95)
    assert b"\xff\xee\0\x0eAdobe" in data
    return data


def big_endian_tiff() -> bytes:
    image = Image.new("I;16B", (100, 100))
    for n, grey in enumerate(GREYS):
        image.paste(grey * 257, (n % 2 * 50, n // 2 * 50, n % 2 * 50 + 50, n // 2 * 50 + 50))
    return encoded(image, "TIFF")


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
            THROUGH,
        ),
        (
            encoded(quarters("LA", [(0, 255), (0, 0), (170, 255), (255, 255)]), "PNG"),
            [(v,) * 3 for v in (0, 255, 170, 255)],
        ),
        (adobe_cmyk(), COLOURS),
        (encoded(quarters("L", GREYS)), [(v, v, v) for v in GREYS]),
        (deep_png(0, [(v,) for v in GREYS]), [(v, v, v) for v in GREYS]),
        (deep_png(2, COLOURS), COLOURS),
        (deep_png(4, [(0, 255), (0, 0), (170, 255), (0, 128)]), [(v,) * 3 for v in (0, 255, 170, 127)]),
        (deep_png(6, [(255, 0, 0, 255), (9, 9, 9, 0), (0, 0, 255, 255), (0, 0, 0, 128)]), THROUGH),
        (encoded(quarters("RGB", COLOURS), "PNG", transparency=(255, 0, 0)), [(255, 255, 255), *COLOURS[1:]]),
        (encoded(quarters("L", GREYS), "PNG", transparency=0), [(v, v, v) for v in (255, 85, 170, 255)]),
        (encoded(quarters("1", [0, 1, 1, 0]), "PNG", transparency=0), [(255, 255, 255)] * 4),
        (encoded(quarters("1", [0, 1, 1, 0]), "TIFF"), [(v, v, v) for v in (0, 255, 255, 0)]),
        (encoded(quarters("CMYK", INKS), "TIFF"), COLOURS),
        (encoded(sixteen_bit(), "TIFF"), [(v, v, v) for v in GREYS]),
        (big_endian_tiff(), [(v, v, v) for v in GREYS]),
        (encoded(palette(), "GIF"), COLOURS),
        (encoded(palette(), "BMP"), COLOURS),
        (encoded(quarters("RGBA", [(*colour, 255) for colour in COLOURS]), "WEBP", lossless=True), COLOURS),
    ],
    ids=[
        *("RGB", "L", "1", "I;16", "P", "P with tRNS", "RGBA", "LA", "Adobe's CMYK", "L JPEG"),
        *("16-bit L", "16-bit RGB", "16-bit LA", "16-bit RGBA", "RGB with tRNS", "L with tRNS", "1 with tRNS"),
        *("1 TIFF", "CMYK TIFF", "16-bit TIFF", "16-bit TIFF, big end first", "GIF", "BMP", "RGBA WebP"),
    ],
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
    right = scene(120, 80)
    data = stored(right, orientation, format, **({"quality": 95} if format in ("JPEG", "WEBP") else {}))
    upload = inspect(data, ALL, 10**9, 10**5)
    assert (upload.width, upload.height) == (120, 80)
    assert difference(upright(upload), right) < 6
    assert difference(drawn(data, fit="pad"), drawn(encoded(right, "PNG"), fit="pad")) < 6


def test_a_png_is_admitted_without_a_look_at_its_pixels_and_turned_by_exif_behind_them() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(120, 80), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[start : start + 4])
    behind = data[:start] + data[start + length : -12] + data[start : start + length] + data[-12:]
    upload = inspect(behind, ALL, 10**9, 10**5)
    assert (upload.width, upload.height) == (80, 120)
    assert difference(upright(upload), upright(inspect(data, ALL, 10**9, 10**5))) == 0
    pixels = behind.index(b"IDAT") + 4
    damaged = inspect(behind[:pixels] + bytes(20) + behind[pixels + 20 :], ALL, 10**9, 10**5)
    with pytest.raises(UndecodableImage):
        upright(damaged)


def test_an_absurd_orientation_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert inspect(encoded(scene(), exif=exif), ALL, 10**9, 10**5).orientation == 1


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


def test_a_jpeg_whose_scans_each_hold_one_component_is_reckoned_as_it_is_decoded_whole() -> None:
    one, other = (inspect(flat_jpeg(800, 600, scans), ALL, 10**9, 10**5) for scans in ([ALL_AT_ONCE], ONE_BY_ONE))
    assert one.memory(100) < other.memory(100) == other.memory()


def test_what_came_beside_the_pixels_goes_no_further() -> None:
    words = b"private words"
    exif = Image.Exif()
    exif[0x010E] = words.decode()
    profile = b"junk of a profile, " + words
    for data in (
        encoded(scene(), "JPEG", comment=words, exif=exif, icc_profile=profile),
        encoded(scene(), "PNG", exif=exif, icc_profile=profile),
        encoded(scene(), "GIF", comment=words * 10_000),
    ):
        upload = inspect(data, ALL, 10**9, 10**5)
        fitted = FITS["stretch"](upload.width, upload.height, 100)
        for sent in (canvases(upload, [fitted], 100, "jpeg")[0], canvases(upload, [fitted], 100, "png")[0]):
            assert words not in sent
            assert not {"icc_profile", "exif", "comment"} & Image.open(io.BytesIO(sent)).info.keys()
        assert words not in annotate(upload, [], "png")


def test_a_film_behind_a_photograph_counts_as_no_scans() -> None:
    film = b"\xff\xda\0\x08" * 5000
    assert inspect(jpeg() + film, ALL, 10**9, 10**5).width == 640
