"""Pixels: an encoded image → upright RGB → canvases, and back. Runs in decoder processes, and in the client."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from PIL import Image, ImageCms, ImageFile

from api.errors import DetectError, UndecodableImage
from api.image.colour_profile import space_of
from api.image.fit import Corners, Fit, resolution
from api.image.inspection import LYING, EncodedImage

# Size is judged by the inspection, against the operator's limits, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

Encoding = Literal["jpeg", "png", "webp"]
OPTIONS: dict[str, dict[str, int]] = {
    "jpeg": {"quality": 95, "subsampling": 0},
    "png": {"compress_level": 1},
    "webp": {"quality": 90, "method": 2},
}
AVERAGED = {"L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I"}
SEE_THROUGH = {"1", "L", "P", "RGB"}  # modes that may name a colour that is none
SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
SRGB = ImageCms.createProfile("sRGB")
UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
RIGHT_TO_LEFT, BOTTOM_UP = {2, 3, 7, 8}, {3, 4, 6, 7}  # how the stored pixels run
PAD_GREY = (124, 116, 104)  # the mean colour that the models were trained around
END_OF_JPEG = b"\xff\xd9"
ANYTHING = b"\x55\xaa" * 64  # what an image that was cut short would show


def canvases(encoded_image: EncodedImage, fits: Sequence[Fit], size: int, encoding: Encoding) -> list[bytes]:
    """The N×N images that the model sees: upright, RGB, drawn as each of `fits` says, encoded; decoded once.

    Raises UndecodableImage where the pixels are damaged or cut short.
    """
    fine = _stored(resolution(fits, encoded_image.width, encoded_image.height), encoded_image.orientation)
    with _opened(encoded_image, fine) as image:
        area = _reduced(image, fine)
        plain = _plain(image)
        return [encoded(_canvas(plain, area, encoded_image, fit, size), encoding) for fit in fits]


def _canvas(plain: Image.Image, area: Corners, encoded_image: EncodedImage, fit: Fit, size: int) -> Image.Image:
    """One canvas, of the pixels as they are stored; `area` is the image in them."""
    orientation, drawn = encoded_image.orientation, (fit.drawn_width, fit.drawn_height)
    box = _part(fit, encoded_image, area)
    resized = plain.resize(_stored(drawn, orientation), Image.Resampling.BILINEAR, box=box)
    turned = _turned(_srgb(resized, encoded_image.profile), orientation)
    if drawn == (size, size):
        return turned
    whole = Image.new("RGB", (size, size), PAD_GREY)
    whole.paste(turned, (fit.left, fit.top))
    return whole


def _part(fit: Fit, encoded_image: EncodedImage, area: Corners) -> Corners:
    """Where the part that `fit` draws lies among the stored pixels."""
    width, height, orientation = encoded_image.width, encoded_image.height, encoded_image.orientation
    across, down = (fit.x / width, (fit.x + fit.width) / width), (fit.y / height, (fit.y + fit.height) / height)
    if orientation in LYING:
        across, down = down, across
    left, right = _mirrored(across) if orientation in RIGHT_TO_LEFT else across
    top, bottom = _mirrored(down) if orientation in BOTTOM_UP else down
    return left * area[2], top * area[3], right * area[2], bottom * area[3]


def _mirrored(ends: tuple[float, float]) -> tuple[float, float]:
    return 1 - ends[1], 1 - ends[0]


def _stored(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size[::-1] if orientation in LYING else size


def upright(encoded_image: EncodedImage) -> Image.Image:
    """The whole image, upright, RGB. Raises UndecodableImage."""
    with _opened(encoded_image) as image:
        return _turned(_srgb(_plain(image), encoded_image.profile), encoded_image.orientation)


def encoded(image: Image.Image, encoding: Encoding) -> bytes:
    """The image's bytes, and nothing else."""
    image.info = {}
    out = io.BytesIO()
    image.save(out, encoding.upper(), **OPTIONS[encoding])
    return out.getvalue()


@contextmanager
def _opened(encoded_image: EncodedImage, size: tuple[int, int] | None = None) -> Iterator[Image.Image]:
    """Pillow's image of the one format that it is, complete; whatever Pillow raises meanwhile becomes ours."""
    name, data = encoded_image.format.upper(), encoded_image.data
    try:
        if encoded_image.unterminated:
            data = _terminated(data, size)
        with Image.open(io.BytesIO(data), formats=[name]) as image:
            expected = encoded_image.width, encoded_image.height
            if image.size != _stored(expected, encoded_image.orientation):
                raise UndecodableImage(f"The {name} declares two different sizes.")
            yield image
    except (DetectError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise whatever their parsers trip over
        raise UndecodableImage(f"The file starts as {name}, but is damaged or truncated.") from error


def _terminated(data: bytes, size: tuple[int, int] | None) -> bytes:
    """The JPEG with the end marker that it lacks, where it lacks nothing else.

    What an incomplete one shows depends on what comes behind it; the pixels of a complete one do not.
    """
    data = data.removesuffix(b"\xff")
    whole, other = data + END_OF_JPEG, data + ANYTHING + END_OF_JPEG
    if _pixels(whole, size) != _pixels(other, size):
        raise UndecodableImage("The JPEG is truncated.")
    return whole


def _pixels(jpeg: bytes, size: tuple[int, int] | None) -> bytes:
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        if size:
            _reduced(image, size)
        return image.tobytes()


def _reduced(image: Image.Image, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Have a large JPEG decoded at reduced scale, to no less than twice the size; what of the pixels is the image.

    Decoded straight to the size, the aliases move boxes by up to 4 canvas pixels; this way they stay.
    """
    reduced = image.draft(None, (2 * size[0], 2 * size[1]))
    return reduced[1] if reduced else (0, 0, *image.size)


def _plain(image: Image.Image) -> Image.Image:
    """Decoded, in a mode whose channels can be averaged: L, LA, RGB, RGBA, CMYK or 16-bit grey (I;16, I)."""
    image.load()
    if isinstance(image, ImageFile.ImageFile) and image.fp:
        image.fp.close()  # libwebp's pixels lie there a second time
    if image.mode in SEE_THROUGH and image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I;"):
        return image if image.mode == "I;16" else image.convert("I")
    return image if image.mode in AVERAGED else image.convert("RGB")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """8-bit RGB as its colour profile means it; what is transparent becomes white."""
    image = _flat(image)
    if profile and space_of(profile) == SPACES.get(image.mode):
        try:
            source = ImageCms.getOpenProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB") or image.convert("RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged or foreign profile beside good pixels: they count as sRGB
    return image if image.mode == "RGB" else image.convert("RGB")


def _flat(image: Image.Image) -> Image.Image:
    """Without depth over 8 bits and without transparency."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if not image.mode.endswith("A"):
        return image
    white = Image.new(image.mode[:-1], image.size, "white")
    white.paste(image if image.mode == "RGBA" else image.getchannel("L"), mask=image.getchannel("A"))
    return white


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image
