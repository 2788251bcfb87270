"""Everything that must be refused in one line, and the status that goes with it."""

import base64
import json
import struct
import zlib
from typing import NamedTuple

from PIL import Image

from tests.inference.example_requests import drawn_image, encoded, request_of

JSON = "application/json"
SHORTS = ("224", 0, -5, 1e9, 10**9, 1.5, True, None)


class Bad(NamedTuple):
    """A request body, its headers and the status that the hooks give it."""

    name: str
    body: bytes
    status: int
    content_type: str = JSON
    accept: str = "*/*"


def bad_requests() -> list[Bad]:
    good, photo = encoded(drawn_image(1)), encoded(drawn_image(2), "JPEG")
    return [
        *(Bad(name, body, 400) for name, body in broken_bodies(good)),
        *(Bad(f"short {short!r}", json_of(good, short=short), 400) for short in SHORTS),
        Bad("short NaN", json_of(good, short=float("nan")), 400),
        Bad("half a JPEG", body_of(photo[: len(photo) // 2]), 422),
        Bad("100 bytes of a JPEG", body_of(photo[:100]), 422),
        Bad("half a PNG", body_of(good[: len(good) // 2]), 422),
        Bad("100 bytes of a PNG", body_of(good[:100]), 422),
        Bad("PNG damaged inside", body_of(good[:2000] + b"\0" * 500 + good[2500:]), 422),
        Bad("CMYK JPEG", body_of(encoded(Image.new("CMYK", (64, 64)), "JPEG")), 422),
        Bad("16-bit PNG", body_of(encoded(Image.new("I;16", (64, 64)))), 422),
        Bad("PNG without a size", body_of(png_header(0, 10)), 422),
        Bad("junk bytes", body_of(b"\x07" * 5000), 415),
        Bad("GIF", body_of(encoded(Image.new("P", (64, 64)), "GIF")), 415),
        Bad("WebP", body_of(encoded(drawn_image(1), "WEBP")), 415),
        Bad("100 megapixels", body_of(png_header(10_000, 10_000)), 413),
        Bad("a very long side", body_of(png_header(60_000, 10)), 413),
        Bad("100 megapixels of JPEG", body_of(jpeg_of(photo, 10_000, 10_000)), 413),
        Bad("text/plain", json_of(good), 415, "text/plain"),
        Bad("latin-1", json_of(good), 415, JSON + "; charset=iso-8859-1"),
        *(Bad(name, body, status, "image/jpeg") for name, body, status in broken_images(good, photo)),
        Bad("Accept image/png", json_of(good), 406, accept="image/png"),
    ]


def broken_bodies(good: bytes) -> list[tuple[str, bytes]]:
    text = base64.b64encode(good).decode()
    return [
        ("empty", b""),
        ("not JSON", b"hello"),
        ("invalid UTF-8", b'{"image": "\xff\xfe"}'),
        ("JSON nested too deeply", b"[" * 100_000),
        ("a list", b"[1, 2]"),
        ("a number", b"3"),
        ("no image", b"{}"),
        ("null image", b'{"image": null}'),
        ("empty image", b'{"image": ""}'),
        ("a number as image", b'{"image": 12}'),
        ("junk base64", b'{"image": "*** not base64 ***"}'),
        ("base64 with a line break", json.dumps({"image": text[:76] + "\n" + text[76:]}).encode()),
        ("base64 cut short", json.dumps({"image": text[: len(text) // 4 * 4 - 3]}).encode()),
        ("base64 outside ASCII", json.dumps({"image": "é" * 8}).encode()),
        ("data URL", json.dumps({"image": "data:image/png;base64," + text}).encode()),
    ]


def broken_images(good: bytes, photo: bytes) -> list[tuple[str, bytes, int]]:
    """What is sent as an image and is none, or none that can be decoded."""
    return [
        ("image body: empty", b"", 415),
        ("image body: junk bytes", b"\x07" * 5000, 415),
        ("image body: a GIF", encoded(Image.new("P", (64, 64)), "GIF"), 415),
        ("image body: JSON", json_of(good), 415),
        ("image body: half a JPEG", photo[: len(photo) // 2], 422),
        ("image body: 100 bytes of a JPEG", photo[:100], 422),
        ("image body: half a PNG", good[: len(good) // 2], 422),
        ("image body: half a WebP", encoded(drawn_image(1), "WEBP")[:3000], 422),
        ("image body: 100 megapixels", png_header(10_000, 10_000), 413),
        ("image body: a very long side", png_header(60_000, 10), 413),
        ("image body: 100 megapixels of JPEG", jpeg_of(photo, 10_000, 10_000), 413),
    ]


def json_of(data: bytes, **fields: object) -> bytes:
    return json.dumps({"image": base64.b64encode(data).decode(), **fields}).encode()


def body_of(data: bytes) -> bytes:
    return request_of(data, 224).encode()


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header promises a size, with no pixels in it."""
    start = encoded(Image.new("RGB", (1, 1)))
    header = b"IHDR" + struct.pack(">II", width, height) + start[24:29]
    return start[:12] + header + struct.pack(">I", zlib.crc32(header)) + start[33:]


def jpeg_of(photo: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header promises another size."""
    frame = photo.index(b"\xff\xc0")
    return photo[: frame + 5] + struct.pack(">HH", height, width) + photo[frame + 9 :]
