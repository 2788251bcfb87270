"""One look at an upload, one answer: its format, size and orientation, what a decoder needs of it, what that costs.

Nothing is decoded, and Pillow sees nothing: each format is taken apart by `api/image/anatomy/`, in microseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from api.errors import ImageTooLarge, UndecodableImage, UnsupportedImageFormat
from api.image.anatomy import bmp, gif, jpeg, png, tiff, webp
from api.image.anatomy.parts import Anatomy
from api.image.colour_profile import is_srgb, needed_profile
from api.image.fit import Fit, resolution
from api.image.formats import recognise

READERS: Mapping[str, Callable[[bytes], Anatomy]] = {
    "jpeg": jpeg.read,
    "png": png.read,
    "webp": webp.read,
    "gif": gif.read,
    "bmp": bmp.read,
    "tiff": tiff.read,
}
LYING = {5, 6, 7, 8}  # orientations that change width and height
# Measured at 40 megapixels with tests/bench/decode_memory.py: libwebp keeps two canvases beside ours.
BYTES_PER_PIXEL = {"webp": 17}
USUAL_BYTES_PER_PIXEL = 12
# Seconds for a million pixels, about, on one core; what they come to on this machine is measured as it serves.
SECONDS_PER_MEGAPIXEL = {"jpeg": 0.006, "webp": 0.014, "png": 0.025}
USUAL_SECONDS_PER_MEGAPIXEL = 0.03
BASE_SECONDS = 0.004  # resizing and encoding the canvas
USUAL_CANVAS = 512 * 512  # pixels; larger ones take longer


class Cost(NamedTuple):
    """Seconds of a core, about, and bytes of memory at most."""

    seconds: float
    memory: int


@dataclass(frozen=True)
class EncodedImage:
    """An upload that passed inspection.

    `width` and `height` are in pixels, EXIF `orientation` (1 to 8) applied. `data` has no metadata any more; `profile`
    is the colour profile where it says anything else than sRGB, `profile_ignored` whether one was left out.
    """

    data: bytes = field(repr=False)
    format: str
    width: int
    height: int
    orientation: int = 1
    profile: bytes | None = field(default=None, repr=False)
    profile_ignored: bool = False
    buffered: bool = False
    unterminated: bool = False
    passes: int = 1
    lossless: bool = False

    def reduced(self, size: int | None) -> bool:
        """Whether the decoder can leave out most of the pixels for a canvas of this size."""
        return self.format == "jpeg" and size is not None and min(self.width, self.height) >= 2 * size

    def memory(self, size: int | None = None) -> int:
        """Bytes that decoding takes at most, for a canvas of this size or (None) for the whole image."""
        whole = self.width * self.height * BYTES_PER_PIXEL.get(self.format, USUAL_BYTES_PER_PIXEL)
        return whole // 4 if self.reduced(size) and not self.buffered else whole

    def seconds(self, size: int | None = None) -> float:
        """Seconds of a core that decoding takes, about, for a canvas of this size or (None) for the whole image."""
        rate = SECONDS_PER_MEGAPIXEL.get(self.format, USUAL_SECONDS_PER_MEGAPIXEL)
        if self.format == "webp" and self.lossless:
            rate *= 2
        if self.reduced(size) and not self.buffered:
            rate /= 2
        work = self.width * self.height / 1e6 * rate * (self.passes if self.format == "jpeg" else 1)
        return BASE_SECONDS + work * (4 if size is None else 1)

    def cost(self, fits: Sequence[Fit] = ()) -> Cost:
        """What it takes to draw the image as each of `fits` says or, without any, to decode it whole."""
        size = max(resolution(fits, self.width, self.height)) if fits else None
        canvases = [fit.drawn_width * fit.drawn_height for fit in fits[1:]]  # the estimates have one already
        drawing = sum(BASE_SECONDS * max(1.0, pixels / USUAL_CANVAS) for pixels in canvases)
        return Cost(self.seconds(size) + drawing, self.memory(size) + 3 * sum(canvases))


def inspect(data: bytes, formats: tuple[str, ...], max_pixels: int, max_side: int) -> EncodedImage:
    """What an upload is. Raises UnsupportedImageFormat, ImageTooLarge, UndecodableImage."""
    kind = recognise(data)
    if kind.name not in formats:
        raise UnsupportedImageFormat(kind.refusal(formats), detected=kind.name)
    anatomy = READERS[kind.name](data)
    width, height = anatomy.width, anatomy.height
    if width * height > max_pixels or max(width, height) > max_side:
        limits = f"the limits are {max_pixels} pixels and {max_side} a side"
        raise ImageTooLarge(f"The image is {width}×{height} pixels; {limits}.", width=width, height=height)
    if not (width and height):
        raise UndecodableImage(f"The {kind.name.upper()} has a width or height of 0 pixels.")
    if anatomy.orientation in LYING:
        width, height = height, width
    profile = anatomy.profile and needed_profile(anatomy.profile)
    return EncodedImage(
        anatomy.essential,
        kind.name,
        width,
        height,
        orientation=anatomy.orientation,
        profile=None if profile is None or is_srgb(profile) else profile,
        profile_ignored=anatomy.profile is not None and profile is None,
        buffered=anatomy.buffered,
        unterminated=anatomy.unterminated,
        passes=anatomy.passes,
        lossless=anatomy.lossless,
    )
