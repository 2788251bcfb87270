"""Good images made bad, always the same ones for the same seed."""

import random
import struct
from collections.abc import Iterator

from tests.example_images import encoded, jpeg, scene

HEADERS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"BM", b"II*\0", b"%PDF-1.7")


def good_images() -> list[bytes]:
    """One of each make that users send, small."""
    image = scene(160, 120)
    exif = image.getexif()
    exif[0x0112] = 6
    return [
        jpeg(160, 120),
        encoded(image, "JPEG", progressive=True, exif=exif),
        encoded(image.convert("CMYK"), "JPEG"),
        encoded(image.convert("L"), "JPEG", quality=40),
        encoded(image, "PNG"),
        encoded(image.convert("RGBA"), "PNG", exif=exif),
        encoded(image.quantize(16), "PNG", transparency=3),
        encoded(image.convert("I;16"), "PNG"),
        encoded(image, "PNG", save_all=True, append_images=[scene(160, 120, 2)]),
        encoded(image, "WEBP"),
        encoded(image.convert("RGBA"), "WEBP", lossless=True, exif=exif),
        encoded(image, "WEBP", save_all=True, append_images=[scene(160, 120, 2)]),
    ]


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """So many damaged images: cut, flipped, swapped, spliced, nested, swollen."""
    chance, images = random.Random(seed), good_images()
    for _ in range(count):
        data = chance.choice(images)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            data = chance.choice(DAMAGES)(chance, data, chance.choice(images))
        yield data


def _cut(chance: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flip_bits(chance: random.Random, data: bytes, other: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 64))):
        if damaged:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _flip_in_header(chance: random.Random, data: bytes, _: bytes) -> bytes:
    return _flip_bits(chance, data[:200], b"") + data[200:]


def _swap_header(chance: random.Random, data: bytes, _: bytes) -> bytes:
    header = chance.choice(HEADERS)
    return header + data[len(header) :]


def _splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other)) :]


def _nest(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + other + data[at:]


def _repeat(chance: random.Random, data: bytes, _: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    piece = data[start : start + chance.choice((1, 16, 256, 4096))]
    return data[:start] + piece * chance.choice((2, 50, 1000)) + data[start:]


def _number(chance: random.Random, data: bytes, _: bytes) -> bytes:
    """A length, a size or an offset becomes another."""
    at = chance.randrange(max(1, min(len(data), 400)))
    number = chance.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, chance.getrandbits(32)))
    packed = struct.pack(chance.choice((">I", "<I")), number)[: chance.choice((1, 2, 4))]
    return data[:at] + packed + data[at + len(packed) :]


DAMAGES = (_cut, _flip_bits, _flip_in_header, _swap_header, _splice, _nest, _repeat, _number)
