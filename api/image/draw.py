"""An image with its boxes drawn on it: line and letters grow with the image, and can be read on any background."""

import unicodedata
from collections.abc import Sequence
from importlib.resources import files
from math import sqrt
from typing import NamedTuple

from PIL import ImageDraw, ImageFont

from api.errors import ImageTooLarge
from api.image.decode import Encoding, encoded, upright
from api.image.fit import Corners
from api.image.inspection import EncodedImage

Pen = ImageDraw.ImageDraw
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Black reads on all of them; api/web/page/colours.js has the same.
COLOURS = ("#ffd400", "#35e0ff", "#ff7ac6", "#8cff66", "#ff9c42", "#c8a6ff", "#ffffff", "#66ffd0")
LONGEST_SIDE = {"jpeg": 65_500, "webp": 16_383}  # libjpeg's JPEG_MAX_DIMENSION, libwebp's WEBP_MAX_DIMENSION


NOTO = ("fontpkg_noto_sans", "files/NotoSans[wdth,wght].ttf")  # all of Latin, Greek, Cyrillic, Devanagari
CJK = ("noto_cjk_sans_jp_regular", "NotoSansCJKjp-Regular.otf")
FONTS = {  # package and file, by the first word of Unicode's names of characters
    "ARABIC": ("fontpkg_noto_sans_arabic", "files/NotoSansArabic[wdth,wght].ttf"),
    "HEBREW": ("fontpkg_heebo", "files/Heebo[wght].ttf"),
    "THAI": ("fontpkg_noto_sans_thai", "files/NotoSansThai[wdth,wght].ttf"),
    **dict.fromkeys(("BOPOMOFO", "CJK", "FULLWIDTH", "HANGUL", "HIRAGANA", "KATAKANA"), CJK),
}


class Mark(NamedTuple):
    """What is drawn for one detection; corners in pixels of the original image (EXIF orientation applied)."""

    caption: str
    class_id: int
    corners: Corners


def annotate(upload: EncodedImage, marks: Sequence[Mark], encoding: Encoding) -> bytes:
    """The upright image, encoded, with its marks; the first lies on top.

    Raises UndecodableImage, and ImageTooLarge where the encoding cannot hold so long a side.
    """
    _check(upload, encoding)
    image = upright(upload)
    pen, side = ImageDraw.Draw(image), sqrt(image.width * image.height)
    line = max(2, round(side / 220))
    for mark in reversed(marks):
        _box(pen, mark, line)
    for mark in reversed(marks):
        _caption(pen, mark, max(11, round(side / 42)))
    return encoded(image, encoding)


def _check(upload: EncodedImage, encoding: Encoding) -> None:
    most, longest = LONGEST_SIDE.get(encoding), max(upload.width, upload.height)
    if most is not None and longest > most:
        detail = f"{encoding.upper()} has at most {most} pixels a side; request image/png."
        raise ImageTooLarge(detail, width=upload.width, height=upload.height)


def _box(pen: Pen, mark: Mark, line: int) -> None:
    """A line in the colour of the class, between two black ones."""
    edge = max(1, line // 3)
    x_min, y_min, x_max, y_max = mark.corners
    pen.rectangle((x_min - edge, y_min - edge, x_max + edge, y_max + edge), outline="black", width=line + 2 * edge)
    pen.rectangle(mark.corners, outline=_colour(mark), width=line)


def _caption(pen: Pen, mark: Mark, size: int) -> None:
    """Black on a plate in the colour of the class, above the box, or inside where the image ends."""
    font, (left, top, right, bottom) = _fitting(pen, mark.caption, size)
    pad = round((bottom - top) / 4) + 1
    plate_width, plate_height = right - left + 2 * pad, bottom - top + 2 * pad
    x = max(0, min(mark.corners[0], pen.im.size[0] - plate_width))
    y = mark.corners[1] - plate_height if mark.corners[1] >= plate_height else mark.corners[1]
    pen.rectangle((x, y, x + plate_width, y + plate_height), fill=_colour(mark), outline="black")
    pen.text((x + pad - left, y + pad - top), mark.caption, font=font, fill="black")


def _fitting(pen: Pen, caption: str, size: int) -> tuple[Font, tuple[float, float, float, float]]:
    """A font in which the caption is not wider than the image, and the caption's extent in it."""
    font = _font(caption, size)
    extent = pen.textbbox((0, 0), caption, font=font)
    width, room = extent[2] - extent[0], pen.im.size[0] - size
    if width > room and size > 6:
        font = _font(caption, max(6, int(size * room / width)))
        extent = pen.textbbox((0, 0), caption, font=font)
    return font, extent


def _font(caption: str, size: int) -> Font:
    """One that has the caption's letters; Pillow's own has only the Latin ones that everybody knows."""
    if caption.isascii():
        return ImageFont.load_default(size)
    scripts = (unicodedata.name(letter, "").partition(" ")[0] for letter in caption)
    package, file = next((FONTS[script] for script in scripts if script in FONTS), NOTO)
    return ImageFont.truetype(str(files(package) / file), size)


def _colour(mark: Mark) -> str:
    return COLOURS[mark.class_id % len(COLOURS)]
