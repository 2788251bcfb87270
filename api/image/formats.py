"""What kind of file an upload is, told from its first bytes, so that a refusal can name it and say what to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, whether bytes are one, and what its owner can do where it is not supported."""

    name: str
    matches: Callable[[bytes], bool]
    advice: str = ""

    def refusal(self, formats: tuple[str, ...]) -> str:
        """A sentence that names what was received and the supported formats."""
        supported = ", ".join(name.upper() for name in formats)
        came = "The file is not a known image format" if self.name == "unknown" else f"The file is {self.name.upper()}"
        return " ".join(filter(None, [f"{came}. Supported formats: {supported}.", self.advice]))


def _starts(*prefixes: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(prefixes)


def _brand(*brands: bytes) -> Callable[[bytes], bool]:
    """ISO base media files (ISO/IEC 14496-12) name their brand after the word `ftyp`."""
    return lambda data: data[4:8] == b"ftyp" and data[8:12] in brands


def _iso_media(data: bytes) -> bool:
    """A brand of whatever name: there are hundreds for video, and few for images, which stand before this row."""
    return data[4:8] == b"ftyp"


def _lossless(data: bytes) -> bool:
    """A JPEG whose frame is lossless (SOF3, 7, 11, 15 of ISO/IEC 10918-1) or JPEG-LS (ISO/IEC 14495-1)."""
    at = 2
    for _ in range(MOST_SEGMENTS if data.startswith(JPEG) else 0):
        segment = SEGMENT.match(data, at)
        if segment is None or segment[1] in FRAMES:
            return segment is not None and segment[1] in LOSSLESS
        at = segment.start(1) + 1 + int.from_bytes(segment[2])
    return False


def _text(*words: bytes) -> Callable[[bytes], bool]:
    return lambda data: any(word in data[:1024].lower() for word in words)


JPEG = b"\xff\xd8\xff"
SEGMENT = re.compile(rb"\xff+([^\x00\xff])(..)", re.DOTALL)  # fill bytes, a marker's code, its segment's length
MOST_SEGMENTS = 1_000
LOSSLESS = tuple(bytes([code]) for code in (0xC3, 0xC7, 0xCB, 0xCF, 0xF7))
FRAMES = (*LOSSLESS, *(bytes([code]) for code in range(0xC0, 0xCF) if code not in (0xC4, 0xC8, 0xCC)))
PHONE = "Set the phone's camera to its most compatible format, or convert the image to JPEG."
FIRST_FRAME = "Send one frame of it as PNG."
VIDEO = "Send single frames of the video as JPEG."

KINDS = (
    Kind("lossless jpeg", _lossless, "Convert it to PNG, which loses nothing either."),
    Kind("jpeg", _starts(JPEG)),
    Kind("png", _starts(b"\x89PNG\r\n\x1a\n")),
    Kind("webp", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP"),
    Kind("gif", _starts(b"GIF87a", b"GIF89a"), FIRST_FRAME),
    Kind("bmp", _starts(b"BM"), "Convert it to PNG: the same pixels in fewer bytes."),
    Kind("tiff", _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "Convert it to PNG or JPEG."),
    Kind("heic", _brand(b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), PHONE),
    Kind("heif", _brand(b"heif", b"mif1", b"msf1", b"miaf"), PHONE),
    Kind("avif", _brand(b"avif", b"avis"), "Convert it to WebP or JPEG."),
    Kind("jpeg 2000", _starts(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), "Convert it to JPEG."),
    Kind("jpeg xl", _starts(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), "Convert it to JPEG."),
    Kind("camera raw", _brand(b"crx "), "Develop it to JPEG."),
    Kind("video", _iso_media, VIDEO),
    Kind("video", _starts(b"\x1aE\xdf\xa3"), VIDEO),
    Kind("photoshop", _starts(b"8BPS"), "Export it as JPEG or PNG."),
    Kind("icon", _starts(b"\0\0\1\0"), "Convert it to PNG."),
    Kind("pdf", _starts(b"%PDF"), "Export the page as JPEG or PNG."),
    Kind("zip", _starts(b"PK\3\4"), "Unpack it and send the images one by one."),
    Kind("gzip", _starts(b"\x1f\x8b"), "Unpack it and send the image itself."),
    Kind("svg", _text(b"<svg"), "It holds shapes and not pixels: render it to PNG."),
    Kind("html", _text(b"<!doctype html", b"<html"), "Send the image itself and not the page that shows it."),
    Kind(
        "base64 text",
        _starts(b"data:image/", b"/9j/", b"iVBORw0KGgo"),
        "Decode it and send the bytes themselves, or send it in JSON.",
    ),
)
UNKNOWN = Kind("unknown", lambda data: True)


def recognise(data: bytes) -> Kind:
    """The kind of file that these bytes are; UNKNOWN where no row fits."""
    return next((kind for kind in KINDS if kind.matches(data)), UNKNOWN)
