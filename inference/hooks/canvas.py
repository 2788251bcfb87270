"""Bytes of an image → the N×N canvas that the model sees, and boxes from there to pixels of the image.

It is drawn as the gateway draws it, so that both find the same boxes. Pillow is needed: AWS's servers bring it.
"""

import contextlib
import io
import struct
from collections import namedtuple
from typing import TYPE_CHECKING, Any, Iterator

import numpy as np

from codec import Detections
from errors import BadImage, Refused, UnsupportedType
from image import JPEG, PNG, check_size, decode_pixels, format_named, jpeg_segments

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

    Pixels = NDArray[np.uint8]

# An image of width x height (upright), drawn on the canvas at (left, top) with drawn_width x drawn_height.
Fit = namedtuple("Fit", "width height left top drawn_width drawn_height")

BILINEAR = 2  # Image.Resampling.BILINEAR, a name that Pillow before 9.1 does not have
START_OF_SCAN, END_OF_JPEG = 0xDA, b"\xff\xd9"
ANYTHING = b"\x55\xaa" * 64  # what a JPEG that was cut short would show
PAD_GREY = (124, 116, 104)  # the mean colour that the models were trained around
AVERAGED = ("L", "LA", "RGB", "RGBA", "CMYK")  # modes whose channels can be averaged
ORIENTATION, SHORT = 0x0112, 3  # EXIF 3.0, 4.6.5
# Steps through rows and columns by EXIF's orientation, after rows and columns are swapped from 5 on.
STEPS = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
SWAPPED = (5, 6, 7, 8)
MAX_PROFILE_BYTES = 4 * 1024 * 1024
UNBOUNDED = b"mpet"  # a profile's formula of this type can occupy a colour engine without end


def draw(data: bytes, size: int, how: str) -> "tuple[Pixels, Fit]":
    """Draw an image on its canvas, uint8 (N, N, 3), upright, RGB: `how` is stretch or pad. Return its fit too.

    Raises UnsupportedType, ImageTooLarge (before any pixel is decoded) or BadImage.
    """
    with opened(data) as image:
        orientation = exif_orientation(image.info.get("exif", b""))
        upright = image.size[::-1] if orientation in SWAPPED else image.size
        fit = fitted(upright[0], upright[1], size, how)
        pixels = turned(np.asarray(resized(image, stored_size(fit, orientation))), orientation)
    canvas = np.full((size, size, 3), PAD_GREY, np.uint8)
    canvas[fit.top : fit.top + fit.drawn_height, fit.left : fit.left + fit.drawn_width] = pixels
    return canvas, fit


def fitted(width: int, height: int, size: int, how: str) -> Fit:
    """Say where an image stands on the canvas: all over it, or, padded, in its middle with its aspect ratio kept."""
    if how == "stretch":
        return Fit(width, height, 0, 0, size, size)
    drawn_width, drawn_height = (max(1, round(side * size / max(width, height))) for side in (width, height))
    return Fit(width, height, (size - drawn_width) // 2, (size - drawn_height) // 2, drawn_width, drawn_height)


def to_image(found: Detections, fit: Fit) -> Detections:
    """Take boxes from pixels of the canvas to the image's, clipped to it; those beside the image are left out."""
    scale = np.array([fit.width / fit.drawn_width, fit.height / fit.drawn_height] * 2)
    boxes = np.clip((found.boxes - [fit.left, fit.top] * 2) * scale, 0, [fit.width, fit.height] * 2)
    kept = (found.ids[:, 0] >= 0) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
    rows = np.full((len(boxes), 6), -1, np.float32)
    rows[: kept.sum()] = np.column_stack((found.ids, found.scores, boxes))[kept]
    return Detections(found.shape, rows[:, :1], rows[:, 1:2], rows[:, 2:])


@contextlib.contextmanager
def opened(data: bytes) -> "Iterator[PillowImage]":
    """Open a JPEG, PNG or WebP, its size and metadata known; whatever Pillow says, the client hears one sentence."""
    jpeg = data.startswith(JPEG)
    if not jpeg and not data.startswith(PNG) and data[8:12] != b"WEBP":
        raise UnsupportedType(f"the image is {format_named(data)}, not JPEG, PNG or WebP")
    try:
        from PIL import Image, ImageFile
    except ImportError as exc:
        raise UnsupportedType("this container has no Pillow: send the image as base64 in JSON") from exc
    try:
        Image.MAX_IMAGE_PIXELS = None  # judged here
        ImageFile.LOAD_TRUNCATED_IMAGES = False  # GluonCV switches it on for the whole process
        with Image.open(io.BytesIO(data)) as image:
            check_size(*image.size)
        with Image.open(io.BytesIO(terminated(data) if jpeg else data)) as image:
            if not jpeg:
                image.load()  # a PNG may have its EXIF behind the pixels
            yield image
    except Refused:
        raise
    except Exception as exc:  # Pillow raises a dozen kinds on damaged files
        raise BadImage("the image cannot be decoded: it is damaged or truncated") from exc


def terminated(jpeg: bytes) -> bytes:
    """Return the JPEG with the end marker that it may lack. Raises BadImage where it lacks more than that.

    What an incomplete one shows depends on what comes behind it; the pixels of a complete one do not.
    """
    scan = next((end for marker, _, end in jpeg_segments(jpeg) if marker == START_OF_SCAN), 0)
    if jpeg.find(END_OF_JPEG, scan) >= 0:
        return jpeg
    whole = jpeg + END_OF_JPEG
    if decode_pixels(whole).tobytes() != decode_pixels(jpeg + ANYTHING + END_OF_JPEG).tobytes():
        raise BadImage("the JPEG is truncated")
    return whole


def exif_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that an EXIF block gives, 1 where it gives none or is damaged."""
    tiff = exif[6:] if exif.startswith(b"Exif\0\0") else exif
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4], "")
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, _ = struct.unpack_from(order + "HHI", tiff, at)
            if tag == ORIENTATION:
                (value,) = struct.unpack_from(order + ("H" if kind == SHORT else "I"), tiff, at + 8)
                return value if value in STEPS else 1
    except struct.error:
        pass  # the image counts as upright
    return 1


def stored_size(fit: Fit, orientation: int) -> "tuple[int, int]":
    """Return width and height of what is drawn before it is turned upright."""
    drawn = fit.drawn_width, fit.drawn_height
    return drawn[::-1] if orientation in SWAPPED else drawn


def turned(pixels: "Pixels", orientation: int) -> "Pixels":
    """Turn pixels upright."""
    down, right = STEPS[orientation]
    return (pixels.swapaxes(0, 1) if orientation in SWAPPED else pixels)[::down, ::right]


def resized(image: "PillowImage", size: "tuple[int, int]") -> "PillowImage":
    """Resize to RGB; a large JPEG is decoded at reduced scale, to no less than twice the size, as boxes then stay."""
    reduced: Any = image.draft("", (2 * size[0], 2 * size[1]))
    box = reduced[1] if isinstance(reduced, tuple) else (0, 0, *image.size)  # old versions return nothing
    profile = image.info.get("icc_profile") or b""
    return as_srgb(opaque(averageable(image).resize(size, BILINEAR, box)), profile)


def averageable(image: "PillowImage") -> "PillowImage":
    """Return the image in a mode whose channels can be averaged, 16 bits of grey as 8."""
    if image.mode.startswith("I"):
        from PIL import Image

        return Image.fromarray((np.asarray(image.convert("I")) >> 8).astype(np.uint8))
    if "transparency" in image.info and not image.mode.endswith("A"):
        return image.convert("RGBA")
    return image if image.mode in AVERAGED else image.convert("RGB")


def opaque(image: "PillowImage") -> "PillowImage":
    """Return the image on white where it is transparent."""
    if not image.mode.endswith("A"):
        return image
    from PIL import Image

    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def as_srgb(image: "PillowImage", profile: bytes) -> "PillowImage":
    """Return 8-bit RGB as the colour profile means it; one that is damaged or foreign counts as sRGB."""
    if profile and len(profile) <= MAX_PROFILE_BYTES and UNBOUNDED not in profile:
        with contextlib.suppress(Exception):  # Pillow may lack its colour engine, or that engine dislike the profile
            from PIL import ImageCms

            source, srgb = ImageCms.getOpenProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, source, srgb, outputMode="RGB") or image.convert("RGB")
    return image.convert("RGB")
