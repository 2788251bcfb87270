"""Bytes → upright RGB image → canvas, and back to bytes. With api/image/draw.py the only room that knows Pillow."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageCms, ImageFile

from api.errors import ImageTooLarge, UndecodableImage, UnsupportedImageFormat
from api.image.anatomy import busywork, interleaved, png_exif, scanned
from api.image.fit import Fit
from api.image.formats import recognise

# Size is judged here, from the header and against the operator's limits, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

PILLOW_FORMATS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "bmp": "BMP",
    "tiff": "TIFF",
}
OPTIONS: dict[str, dict[str, int]] = {
    "jpeg": {"quality": 95, "subsampling": 0},
    "png": {"compress_level": 1},
    "webp": {"quality": 90, "method": 2},
}
# Measured at 40 megapixels with tests/bench/decode_memory.py: libwebp keeps two canvases beside ours.
BYTES_PER_PIXEL = {"webp": 17}
MOST_PROFILE_BYTES = 4 * 1024 * 1024
MOST_TILE = 2048 * 2048  # pixels of a TIFF's tile, which is unpacked whole however small the image is
TILE_WIDTH, TILE_LENGTH = 322, 323
AVERAGED = {"L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I"}
SEE_THROUGH = {"1", "L", "P", "RGB"}  # modes that may name a colour that is none
PROFILED = {"L", "RGB", "CMYK"}
ORIENTATION = 0x0112
UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LYING = {5, 6, 7, 8}
PAD_GREY = (124, 116, 104)  # the mean colour that the models were trained around


@dataclass(frozen=True)
class EncodedImage:
    """An admitted upload: its bytes, its format, its upright size in pixels, and its EXIF orientation (1 to 8).

    `buffered` is a JPEG of several scans, of which a decoder keeps all coefficients whatever size is wanted of it.
    """

    data: bytes
    format: str
    width: int
    height: int
    orientation: int
    buffered: bool = False

    def weight(self, size: int | None = None) -> int:
        """Most bytes that decoding takes, for a canvas of this size or (None) for the whole upload."""
        whole = self.width * self.height * BYTES_PER_PIXEL.get(self.format, 12)
        drafted = self.format == "jpeg" and not self.buffered and size and min(self.width, self.height) >= 2 * size
        return whole // 4 if drafted else whole


def admit(data: bytes, formats: tuple[str, ...], max_pixels: int, max_side: int) -> EncodedImage:
    """Judge an upload by its header alone; nothing is decoded.

    Raises UnsupportedImageFormat, ImageTooLarge, UndecodableImage.
    """
    kind = recognise(data)
    if kind.name not in formats:
        raise UnsupportedImageFormat(kind.refusal(formats), detected=kind.name)
    if busywork(kind.name, data):
        raise UndecodableImage(f"The {kind.name.upper()} has more parts than an image needs.")
    with _opened(data, kind.name) as image:
        width, height = image.size
        if width * height > max_pixels or max(width, height) > max_side:
            limits = f"at most {max_pixels} pixels and {max_side} a side are taken"
            raise ImageTooLarge(f"The image is {width}×{height} pixels; {limits}.", width=width, height=height)
        if _tile(image) > max(MOST_TILE, width * height):
            raise UndecodableImage("The TIFF's tiles are larger than the image needs.")
        orientation, buffered = _orientation(image, kind.name, data), _buffered(image, data)
    if scanned(kind.name, data, width * height):
        raise UndecodableImage("The JPEG has more scans than an image needs.")
    if orientation in LYING:
        width, height = height, width
    return EncodedImage(data, kind.name, width, height, orientation, buffered)


def canvas(upload: EncodedImage, fit: Fit, size: int, encoding: Literal["jpeg", "png"]) -> bytes:
    """The image as the model sees it: upright, RGB, drawn on size×size as `fit` says, encoded.

    Raises UndecodableImage where the pixels are damaged or cut short.
    """
    drawn = (fit.drawn_width, fit.drawn_height)
    with _opened(upload.data, upload.format) as image:
        lying = drawn[::-1] if upload.orientation in LYING else drawn
        upright = _turned(_srgb(_shrunk(image, lying), image.info.get("icc_profile")), upload.orientation)
    if drawn != (size, size):
        sheet = Image.new("RGB", (size, size), PAD_GREY)
        sheet.paste(upright, (fit.left, fit.top))
        upright = sheet
    return encoded(upright, encoding)


def upright(upload: EncodedImage) -> Image.Image:
    """The whole image, upright, RGB. Raises UndecodableImage."""
    with _opened(upload.data, upload.format) as image:
        return _turned(_srgb(_plain(image), image.info.get("icc_profile")), upload.orientation)


def encoded(image: Image.Image, encoding: Literal["jpeg", "png", "webp"]) -> bytes:
    """The image's bytes, and nothing else: comments and profiles that came with the upload end here."""
    image.info = {}
    out = io.BytesIO()
    image.save(out, encoding.upper(), **OPTIONS[encoding])
    return out.getvalue()


@contextmanager
def _opened(data: bytes, format: str) -> Iterator[Image.Image]:
    """Pillow's image of one format; whatever Pillow raises meanwhile becomes ours."""
    try:
        with Image.open(io.BytesIO(data), formats=[PILLOW_FORMATS[format]]) as image:
            yield image
    except (ImageTooLarge, UndecodableImage):
        raise
    except Exception as error:  # Pillow's decoders raise whatever their parsers trip over
        raise UndecodableImage(f"The file starts like {format.upper()}, and is damaged or cut short.") from error


def _orientation(image: Image.Image, format: str, data: bytes) -> int:
    if format == "tiff":  # Pillow turns these by itself
        return 1
    if format == "png" and (exif := png_exif(data)):
        image.info["exif"] = exif
    try:
        found = Image.Image.getexif(image).get(ORIENTATION, 1)  # a PNG's own would decode all of it
    except Exception:  # damaged EXIF beside good pixels: the image counts as upright
        return 1
    return found if found in UPRIGHT else 1


def _buffered(image: Image.Image, data: bytes) -> bool:
    layers: int | None = getattr(image, "layers", None)  # JPEGs have it
    return layers is not None and ("progressive" in image.info or not interleaved(data, layers))


def _tile(image: Image.Image) -> int:
    tags = getattr(image, "tag_v2", {})
    width, length = tags.get(TILE_WIDTH, 0), tags.get(TILE_LENGTH, 0)
    return width * length if isinstance(width, int) and isinstance(length, int) else 0


def _shrunk(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Decoded and resized; a large JPEG is decoded at reduced scale, to no less than twice the size.

    Decoded straight to the size, the aliases move boxes by up to 4 canvas pixels; this way they stay.
    """
    reduced = image.draft(None, (2 * size[0], 2 * size[1]))
    box = reduced[1] if reduced else (0, 0, *image.size)
    return _plain(image).resize(size, Image.Resampling.BILINEAR, box=box)


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
    """8-bit RGB as its ICC profile means it; what is transparent becomes white."""
    image = _flat(image)
    if profile and len(profile) <= MOST_PROFILE_BYTES and image.mode in PROFILED:
        try:
            source = ImageCms.getOpenProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                return _converted(image, source)
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged or foreign profile beside good pixels: they count as sRGB
    return image if image.mode == "RGB" else image.convert("RGB")


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return converted or image.convert("RGB")


def _flat(image: Image.Image) -> Image.Image:
    """Without depth over 8 bits and without transparency."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if not image.mode.endswith("A"):
        return image
    sheet = Image.new(image.mode[:-1], image.size, "white")
    sheet.paste(image if image.mode == "RGBA" else image.getchannel("L"), mask=image.getchannel("A"))
    return sheet


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image
