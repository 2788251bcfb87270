"""The annotated image: boxes where they are, in sizes and colours that can be read."""

import io
import re
import unicodedata

import pytest
from PIL import Image, ImageChops

from api.errors import ImageTooLarge
from api.image import draw
from api.image.decode import Encoding
from api.image.draw import COLOURS, Mark, annotate
from api.image.inspection import EncodedImage, inspect
from tests.conftest import ROOT
from tests.example_images import encoded, pixel, scene

YELLOW, CYAN, BLACK = (255, 212, 0), (53, 224, 255), (0, 0, 0)


def uploaded(image: Image.Image) -> EncodedImage:
    return inspect(encoded(image, "PNG"), ("png",), 10**9, 10**5)


def drawn(image: Image.Image, *marks: Mark, encoding: Encoding = "png") -> Image.Image:
    return Image.open(io.BytesIO(annotate(uploaded(image), marks, encoding))).convert("RGB")


@pytest.mark.parametrize("box", [(10, 10, 60, 60), (0, 0, 100, 80), (90, 0, 100, 80), (0, 79, 100, 80)])
def test_a_box_is_drawn_where_it_is_and_its_caption_stays_on_the_image(box: tuple[int, int, int, int]) -> None:
    plain = Image.new("RGB", (100, 80), "grey")
    image = drawn(plain, Mark("person 0.98", 0, box))
    assert image.size == (100, 80)
    assert ImageChops.difference(image, plain).getbbox() is not None
    assert pixel(image, (min(99, box[2]), min(79, box[3]))) != (128, 128, 128)


@pytest.mark.parametrize("background", ["black", "white", "#ffd400", "grey", "scene"])
def test_line_and_caption_stand_out_from_any_background(background: str) -> None:
    plain = scene(400, 400) if background == "scene" else Image.new("RGB", (400, 400), background)
    image = drawn(plain, Mark("person 0.98", 0, (100, 100, 300, 300)))
    across = [pixel(image, (x, 200)) for x in range(95, 110)]
    assert YELLOW in across
    assert across.count(BLACK) >= 2, "a line of the colour between two black ones"
    plate = image.crop((102, 80, 160, 98))
    colours = {colour for _, colour in plate.getcolors(10**6) or []}
    assert {YELLOW, BLACK} <= colours, "black letters on a plate of the colour"


@pytest.mark.parametrize("scale", [1, 4, 8])
def test_line_and_letters_grow_with_the_image(scale: int) -> None:
    box = (99 * scale, 200 * scale, 500 * scale, 460 * scale)
    image = drawn(Image.new("RGB", (640 * scale, 480 * scale), "grey"), Mark("person", 0, box))
    line = sum(pixel(image, (x, 400 * scale)) == YELLOW for x in range(90 * scale, 120 * scale))
    plate = sum(pixel(image, (box[0] + 2, y)) == YELLOW for y in range(200 * scale))
    assert line == pytest.approx(2.5 * scale, abs=0.6)
    assert plate == pytest.approx(15 * scale, rel=0.25)


def test_the_colour_stands_for_the_class_and_is_the_pages_own() -> None:
    marks = Mark("person 0.9", 0, (50, 100, 150, 250)), Mark("dog 0.8", 1, (200, 100, 300, 250))
    image = drawn(Image.new("RGB", (400, 300), "grey"), *marks)
    assert (pixel(image, (50, 200)), pixel(image, (200, 200))) == (YELLOW, CYAN)
    page = (ROOT / "api" / "web" / "page" / "colours.js").read_text()
    listed = re.search(r"COLOURS = \[(.*?)\]", page)
    assert listed
    assert tuple(re.findall(r'"(#\w+)"', listed[1])) == COLOURS


def test_the_best_lies_on_top() -> None:
    box = (50, 100, 150, 250)
    image = drawn(Image.new("RGB", (400, 300), "grey"), Mark("best", 0, box), Mark("worse", 1, box))
    assert pixel(image, (50, 200)) == YELLOW


def test_a_caption_wider_than_the_image_is_written_smaller() -> None:
    plain = Image.new("RGB", (90, 200), "grey")
    image = drawn(plain, Mark("fire hydrant 0.98", 0, (0, 100, 89, 199)))
    assert pixel(image, (88, 97)) == (128, 128, 128), "the plate ends before the image does"
    assert YELLOW in {pixel(image, (x, 95)) for x in range(90)}


@pytest.mark.parametrize(("encoding", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_what_an_encoding_cannot_hold_is_refused_before_it_is_drawn(
    encoding: Encoding, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draw, "upright", None)
    with pytest.raises(ImageTooLarge, match="request image/png"):
        annotate(uploaded(Image.new("1", (side, 1))), [], encoding)


SCRIPTS = {
    "Cyrillic": ("человек", "женщина"),
    "Greek": ("σκύλος", "γάτα"),
    "Vietnamese": ("người", "chữ"),
    "Han": ("人", "犬"),
    "kana": ("ひと", "いぬ"),
    "Hangul": ("사람", "동물"),
    "Arabic": ("شخص", "كلب"),
    "Hebrew": ("אדם", "כלב"),
    "Thai": ("คน", "หมา"),
    "Devanagari": ("व्यक्ति", "कुत्ता"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_labels_beyond_latin_are_drawn_in_letters_and_not_as_empty_squares(script: str) -> None:
    def letter(text: str) -> bytes:
        return bytes(draw._font(SCRIPTS[script][0], 24).getmask(text))

    missing = letter("\U0010ffff")
    characters = {one for label in SCRIPTS[script] for one in f"{label}0.98" if unicodedata.category(one)[0] != "M"}
    visible = [letter(one) for one in characters]
    assert missing not in visible
    assert all(any(shape) for shape in visible)
    plain = Image.new("RGB", (400, 300), "grey")
    first, second = (drawn_on(plain, label) for label in SCRIPTS[script])
    assert ImageChops.difference(first, second).getbbox() is not None


def drawn_on(plain: Image.Image, label: str) -> Image.Image:
    return drawn(plain, Mark(f"{label} 0.98", 0, (50, 100, 350, 250)))
