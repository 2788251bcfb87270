"""Images built to hurt, cheap to send and dear or strange to decode: each by what it is, and what it is answered."""

import functools
import struct
import zlib
from collections.abc import Callable, Iterable

from PIL import Image, ImageCms

from tests.example_images import encoded, jpeg, scene

PNG = b"\x89PNG\r\n\x1a\n"
ALL_AT_ONCE = b"\3\1\0\2\0\3\0\0\x3f\0"  # a scan's parameters: three components, each coefficient
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
ONE_BY_ONE = [bytes((1, component, 0, 0, 0x3F, 0)) for component in (1, 2, 3)]
FINE = [b"\1" + bytes((component, 0, 1, 0x3F, 0)) for component in (1, 2, 3)]  # for a progressive frame


def segment(code: int, payload: bytes) -> bytes:
    """One segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, code, len(payload) + 2) + payload


def chunk(kind: bytes, payload: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def after_start_of_jpeg(padding: bytes) -> bytes:
    return jpeg()[:2] + padding + jpeg()[2:]


def before_data_of_png(padding: bytes) -> bytes:
    png = encoded(scene(), "PNG")
    return png[:33] + padding + png[33:]


def flat_jpeg(width: int, height: int, scans: Iterable[bytes], frame: int = 0xC0, depth: int = 8) -> bytes:
    """A grey JPEG of three components in as few bits as can be, in scans with these parameters."""
    blocks = -(-width // 8) * -(-height // 8)
    sampling = b"".join(bytes((component, 0x11, 0)) for component in (1, 2, 3))
    data = b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64)
    data += segment(frame, struct.pack(">BHHB", depth, height, width, 3) + sampling)
    for table in (0x00, 0x10):  # one word of one bit: nothing changes, nothing follows
        data += segment(0xC4, bytes((table, 1)) + bytes(16))
    for parameters in scans:
        data += segment(0xDA, parameters) + bytes(-(-blocks * 2 * parameters[0] // 8))
    return data + b"\xff\xd9"


def header(width: int, height: int, colour: int, depth: int, interlaced: bool = False) -> bytes:
    """How a PNG begins."""
    return PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def data(*rows: bytes) -> bytes:
    """How it goes on and ends: these rows, each with its filter's number before it."""
    return chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + chunk(b"IEND", b"")


def adam7(width: int, height: int, pixel_bits: int) -> Iterable[bytes]:
    """The rows of an interlaced PNG, all nothing."""
    for x, y, across, down in ADAM7:
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        yield from (bytes(1 + -(-columns * pixel_bits // 8)) for _ in range(rows if columns else 0))


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def vp8x(flags: int, width: int, height: int) -> tuple[bytes, bytes]:
    """The head of an extended WebP."""
    return b"VP8X", bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def frame(width: int = 16, height: int = 16) -> tuple[bytes, bytes]:
    """One frame of an animated WebP."""
    place = bytes(6) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + bytes(4)
    return b"ANMF", place + encoded(Image.new("RGB", (width, height)), "WEBP")[12:]


def still() -> tuple[bytes, bytes]:
    """A still image's chunk of a WebP, 640×480."""
    return b"VP8 ", encoded(scene(), "WEBP")[20:]


def bmp(compression: int, data: bytes, bits: int = 8, width: int = 8000, height: int = 5000) -> bytes:
    """A BMP of this size with a grey palette."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(data), 0, 0, 1078) + info + bytes(1024) + data


def directory(*tags: tuple[int, int, int, int], behind: bytes = b"") -> bytes:
    """TIFF, or EXIF, with these entries: tag, type, count, value."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + behind


def overlapping(entries: int, size: int) -> bytes:
    """EXIF whose entries all claim the same bytes."""
    return directory(*((0x9000 + n & 0xFFFF, 7, size, 8) for n in range(entries)), behind=bytes(size))


def pieces(places: int, sizes: int, count: int, *shape: tuple[int, int, int, int]) -> bytes:
    """A TIFF of 64×64 grey pixels in so many tiles or strips of this shape, all in one place."""
    tags = [(tag, 4, 1, value) for tag, value in ((256, 64), (257, 64), (258, 8), (259, 1), (262, 1), (277, 1))]
    behind = 8 + 2 + 12 * (len(tags) + len(shape) + 2) + 4
    tags += [*shape, (places, 4, count, behind), (sizes, 4, count, behind)]
    return directory(*sorted(tags), behind=struct.pack("<I", 8) * count)


def tiles(side: int, count: int) -> bytes:
    return pieces(324, 325, count, (322, 4, 1, side), (323, 4, 1, side))


def strips(count: int) -> bytes:
    return pieces(273, 279, count, (278, 4, 1, 1))


def big_tiff(start: int, entries: int) -> bytes:
    """A TIFF with 64-bit numbers, whose entries are far too long."""
    table = b"".join(struct.pack("<HHQQ", n & 0xFFFF, 7, 2**62, 16) for n in range(entries))
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, start, entries) + table


def gif_with(padding: bytes) -> bytes:
    """A GIF with this before its first frame."""
    gif = encoded(scene().quantize(256), "GIF")
    return gif[:781] + padding + gif[781:]


def bomb(size: int = 100_000_000) -> bytes:
    """Few bytes that unpack to many."""
    return zlib.compress(bytes(size), 9)


def text(size: int, kind: bytes = b"zTXt") -> bytes:
    """A packed text of a PNG."""
    return chunk(kind, (b"k\0\0" if kind == b"zTXt" else b"k\0\1\0\0\0") + bomb(size))


def app1(head: bytes, content: bytes) -> bytes:
    """A JPEG with this in as many segments as it needs."""
    pieces = (content[at : at + 65_000] for at in range(0, len(content), 65_000))
    return after_start_of_jpeg(b"".join(segment(0xE1, head + piece) for piece in pieces))


def mpf(content: bytes) -> bytes:
    """A JPEG that has an index of several images."""
    return after_start_of_jpeg(segment(0xE2, b"MPF\0" + content))


def exif_as_text() -> bytes:
    words = overlapping(20_000, 200_000).hex().encode()
    return chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n9\n" + words))


def many_data_chunks() -> bytes:
    packed = zlib.compress(bytes(480 * (1 + 640 * 3)), 9)
    return header(640, 480, 2, 8) + b"".join(chunk(b"IDAT", bytes((one,))) for one in packed) + chunk(b"IEND", b"")


def motion_photo() -> bytes:
    """What a phone makes: a photograph with a film behind it, in which the bytes of markers stand by chance."""
    return encoded(scene(4000, 3000), quality=80) + bytes(range(256)) * 2 + b"\xff\xda\0\x08" * 500


def fractions(tag: int, count: int) -> bytes:
    """EXIF whose tag has so many values; Pillow makes an object of each."""
    inches = (0x0128, 3, 1, 2)  # without a unit, Pillow reads no resolution
    return directory((tag, 5, count, 38), inches, behind=struct.pack("<II", 72, 1) * count)


def photoshop_blocks(segments: int) -> bytes:
    """A JPEG with as many of Photoshop's blocks as these segments hold, all empty."""
    blocks = b"8BIM\4\4\0\0\0\0\0\0" * 5400
    return after_start_of_jpeg(segment(0xED, b"Photoshop 3.0\0" + blocks) * segments)


def profile_of_many_steps(elements: int) -> bytes:
    """sRGB's profile, and a D2B0 of so many elements that are all the same matrix (ICC.1:2022, 10.16)."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tags,) = struct.unpack_from(">I", srgb, 128)
    table = list(struct.iter_unpack(">4sII", srgb[132 : 132 + 12 * tags]))
    matrix = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    steps = struct.pack(">4sIHHI", b"mpet", 0, 3, 3, elements)
    steps += struct.pack(">II", 16 + 8 * elements, len(matrix)) * elements + matrix
    moved = [(name, start + 12, size) for name, start, size in table] + [(b"D2B0", len(srgb) + 12, len(steps))]
    head = struct.pack(">I", len(srgb) + 12 + len(steps)) + srgb[4:128] + struct.pack(">I", tags + 1)
    return head + b"".join(struct.pack(">4sII", *tag) for tag in moved) + srgb[132 + 12 * tags :] + steps


def flat_webp(width: int, height: int) -> bytes:
    """A lossless WebP of one colour: five codes of one symbol each, so its pixels take no bits (RFC 9649, 3)."""
    bits = 0x2F | (width - 1) << 8 | (height - 1) << 22
    for code in range(5):
        bits |= 1 << 43 + 4 * code  # a simple code, of one symbol, of one bit, which is 0
    return riff((b"VP8L", bits.to_bytes(16, "little")))


Hostile = dict[str, tuple[int, Callable[[], bytes]]]
JPEGS: Hostile = {
    "a scan for each component": (200, lambda: flat_jpeg(8000, 5000, ONE_BY_ONE)),
    "six scans for each": (200, lambda: flat_jpeg(8000, 5000, ONE_BY_ONE * 6)),
    "eighteen scans of a progressive": (200, lambda: flat_jpeg(8000, 5000, [b"\3\1\0\2\0\3\0\0\0\0", *FINE * 6], 0xC2)),
    "thirty scans": (422, lambda: flat_jpeg(8000, 5000, ONE_BY_ONE * 10)),
    "extended sequential": (200, lambda: flat_jpeg(800, 500, [ALL_AT_ONCE], 0xC1)),
    "lossless": (415, lambda: flat_jpeg(800, 500, [ALL_AT_ONCE], 0xC3)),
    "hierarchical": (422, lambda: flat_jpeg(800, 500, [ALL_AT_ONCE], 0xC5)),
    "arithmetic coding": (200, lambda: flat_jpeg(800, 500, [ALL_AT_ONCE], 0xC9)),
    "12 bits": (422, lambda: flat_jpeg(800, 500, [ALL_AT_ONCE], 0xC1, 12)),
    "16 bits": (422, lambda: flat_jpeg(800, 500, [ALL_AT_ONCE], 0xC0, 16)),
    "no width": (422, lambda: flat_jpeg(0, 500, [ALL_AT_ONCE])),
    "no height": (422, lambda: flat_jpeg(500, 0, [ALL_AT_ONCE])),
    "no scan": (422, lambda: flat_jpeg(500, 500, [])),
    "no end": (200, lambda: flat_jpeg(800, 500, [ALL_AT_ONCE])[:-2]),
    "overlapping EXIF": (200, lambda: app1(b"Exif\0\0", overlapping(2600, 30_000))),
    "EXIF in pieces": (200, lambda: app1(b"Exif\0\0", overlapping(65_000, 8_000_000))),
    "EXIF in itself": (200, lambda: app1(b"Exif\0\0", directory((0x8769, 4, 1, 8)))),
    "overlapping MPF": (200, lambda: mpf(overlapping(2600, 30_000))),
    "MPF of four billion": (
        200,
        lambda: mpf(directory((0xB001, 4, 1, 2**32 - 1), (0xB002, 7, 60_000, 8), behind=bytes(60_000))),
    ),
    "long XMP": (200, lambda: app1(b"http://ns.adobe.com/xap/1.0/\0", bytes(9_000_000))),
    "profile in pieces": (
        200,
        lambda: after_start_of_jpeg(segment(0xE2, b"ICC_PROFILE\0\1\x8c" + bytes(65_000)) * 140),
    ),
    "a profile of 20,000 steps": (
        200,
        lambda: encoded(scene(64, 64), icc_profile=profile_of_many_steps(20_000)),
    ),
    "a resolution of 1.2 million fractions": (200, lambda: app1(b"Exif\0\0", fractions(0x011A, 1_200_000))),
    "800,000 Photoshop blocks": (200, lambda: photoshop_blocks(150)),
    "sixteen scans of 50 megapixels": (
        200,
        lambda: flat_jpeg(8000, 6250, [b"\3\1\0\2\0\3\0\0\0\0", *FINE * 5], 0xC2),
    ),
    "motion photo": (200, motion_photo),
    "MPO": (200, lambda: encoded(scene(), "MPO", save_all=True, append_images=[scene(seed=3)])),
    "also a ZIP": (200, lambda: jpeg() + b"PK\3\4" + bytes(1000)),
    "GIF that says JPEG": (422, lambda: b"\xff\xd8\xff" + encoded(scene(), "GIF")),
}
PNGS: Hostile = {
    "interlaced, 16 bits": (200, lambda: header(4000, 2500, 6, 16, interlaced=True) + data(*adam7(4000, 2500, 64))),
    "interlaced, 1 bit": (200, lambda: header(16_384, 2441, 0, 1, interlaced=True) + data(*adam7(16_384, 2441, 1))),
    "50 megapixels": (200, lambda: header(8000, 6250, 2, 8) + data(*[bytes(24_001)] * 6250)),
    "an orientation of 1.2 million fractions": (
        200,
        lambda: before_data_of_png(chunk(b"eXIf", fractions(0x0112, 1_200_000))),
    ),
    "rows that never end": (200, lambda: header(64, 64, 2, 8) + data(*[bytes(100_000)] * 1000)),
    "no size": (422, lambda: header(0, 0, 2, 8) + data()),
    "four billion wide": (422, lambda: header(2**32 - 1, 1, 2, 8) + data()),
    "no palette": (422, lambda: header(64, 64, 3, 8) + data(*[bytes(65)] * 64)),
    "palette of one": (200, lambda: header(64, 64, 3, 8) + chunk(b"PLTE", b"\1\2\3") + data(*[bytes(range(65))] * 64)),
    "half a colour that is none": (422, lambda: before_data_of_png(chunk(b"tRNS", b"\1"))),
    "Apple's own": (200, lambda: PNG + chunk(b"CgBI", b"\x50\0\x20\2") + encoded(scene(), "PNG")[8:]),
    "a data chunk for each byte": (200, many_data_chunks),
    "64 long texts": (200, lambda: before_data_of_png(text(1_000_000) * 64)),
    "5,000 long texts": (200, lambda: before_data_of_png(text(1_000_000) * 5000)),
    "5,000 international ones": (200, lambda: before_data_of_png(text(1_000_000, b"iTXt") * 5000)),
    "a text that unpacks to 100 MB": (200, lambda: before_data_of_png(text(100_000_000))),
    "a profile that does": (200, lambda: before_data_of_png(chunk(b"iCCP", b"k\0\0" + bomb()))),
    "5,000 profiles": (200, lambda: before_data_of_png(chunk(b"iCCP", b"k\0\0" + bomb(1_000_000)) * 5000)),
    "overlapping EXIF in a PNG": (200, lambda: before_data_of_png(chunk(b"eXIf", overlapping(65_000, 8_000_000)))),
    "EXIF as text": (200, lambda: before_data_of_png(exif_as_text())),
    "EXIF that is no number": (200, lambda: before_data_of_png(chunk(b"tEXt", b"Raw profile type exif\0junk"))),
    "turned nine times": (
        200,
        lambda: before_data_of_png(chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation="9')),
    ),
    "a JPEG behind it": (200, lambda: encoded(scene(), "PNG") + jpeg()),
}
OTHERS: Hostile = {
    "a canvas larger than its image": (422, lambda: riff(vp8x(0, 16_384, 2441), still())),
    "40 megapixels in 36 bytes": (200, lambda: flat_webp(8000, 5000)),
    "a small frame on 40 megapixels": (200, lambda: riff(vp8x(2, 16_383, 2440), (b"ANIM", bytes(6)), frame())),
    "100,000 frames": (200, lambda: riff(vp8x(2, 16, 16), (b"ANIM", bytes(6)), *[frame()] * 100_000)),
    "a million chunks": (200, lambda: riff(vp8x(0, 640, 480), still(), *[(b"abcd", b"")] * 1_000_000)),
    "overlapping EXIF in a WebP": (
        200,
        lambda: riff(vp8x(8, 640, 480), still(), (b"EXIF", overlapping(65_000, 8_000_000))),
    ),
    "runs of one": (422, lambda: bmp(1, b"\1\1" * 5_000_000)),
    "rows that end at once": (422, lambda: bmp(1, b"\1\1\0\0" * 5000)),
    "steps to nowhere": (422, lambda: bmp(1, b"\0\2\0\0" * 2_000_000)),
    "honest runs": (200, lambda: bmp(1, b"\xff\7\0\0" * 1000, width=255, height=1000)),
    "0 pixels": (422, lambda: bmp(0, b"", bits=24)),
    "a tile of 400 megapixels": (422, lambda: tiles(20_000, 1)),
    "millions of tiles": (422, lambda: tiles(1, 2_000_000)),
    "millions of strips": (422, lambda: strips(2_000_000)),
    "more entries than a page has": (422, lambda: overlapping(65_000, 8_000_000)),
    "half a million entries": (422, lambda: big_tiff(16, 490_000)),
    "a directory beyond all files": (422, lambda: big_tiff(2**64 - 1, 1)),
    "a comment in a million pieces": (422, lambda: gif_with(b"\x21\xfe" + b"\1a" * 4_500_000 + b"\0")),
    "a million comments": (422, lambda: gif_with(b"\x21\xfe\1a\0" * 1_900_000)),
    "junk before the frame": (422, lambda: gif_with(bytes(9_000_000))),
    "a comment of 100 KB": (200, lambda: gif_with(b"\x21\xfe" + (b"\xff" + b"a" * 255) * 400 + b"\0")),
    "a frame beyond its screen": (
        422,
        lambda: b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + encoded(scene(), "GIF")[10:],
    ),
}
HOSTILE: Hostile = {**JPEGS, **PNGS, **OTHERS}


@functools.cache
def hostile(name: str) -> bytes:
    """One of them, made once."""
    return HOSTILE[name][1]()
