"""What comes in: files built to keep a decoder busy, colours, bodies, memory."""

import io
import socket
import struct
import threading
import time

import httpx2
import pytest
from PIL import Image, ImageCms

from api.admission.upload_bytes import UploadBytes
from api.errors import Overloaded
from api.image.anatomy.jpeg import MAX_SEGMENTS
from api.image.anatomy.png import MAX_CHUNKS
from api.image.decode import canvases
from api.image.draw import annotate
from api.image.fit import FITS
from api.image.inspection import inspect
from tests.api.clients import hang_up_after
from tests.api.conftest import Start
from tests.api.responses import problem
from tests.example_images import encoded, jpeg, pixel, scene
from tests.hostile import after_start_of_jpeg, before_data_of_png, chunk, segment
from tests.seed_endpoint import SeedEndpoint, answer, reply
from tests.waiting import wait_for

FORMATS = "jpeg,png,webp,gif,bmp,tiff"


def scans(count: int) -> bytes:
    """A progressive JPEG of 40 megapixels whose last scan comes again and again."""
    data = encoded(Image.new("L", (8000, 5000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


@pytest.mark.parametrize(
    "data",
    [
        after_start_of_jpeg(b"\xff\xe0\0\2" + b"a" * 9_000_000),
        after_start_of_jpeg(segment(0xFE, b"") * 2_000_000),
        after_start_of_jpeg(segment(0xE1, b"Exif\0\0" + bytes(900)) * 10_000),
        before_data_of_png(chunk(b"tEXt", b"a\0b") * 500_000),
        before_data_of_png(chunk(b"abCd", b"") * 800_000),
        encoded(scene(), "PNG")[:-12] + chunk(b"IDAT", b"") * 800_000,
        scans(40),
    ],
    ids=["junk", "comments", "Exif in pieces", "texts", "unknown chunks", "empty data", "scans"],
)
def test_a_file_built_to_keep_a_decoder_busy_is_refused_unread(client: httpx2.Client, data: bytes) -> None:
    assert (
        "than an image needs"
        in problem(
            client.post("/detect", content=data, headers={"Content-Type": "image/jpeg"}), 422, "undecodable-picture"
        )["detail"]
    )


def test_files_with_as_many_parts_as_cameras_and_editors_write_are_taken() -> None:
    for data in (
        after_start_of_jpeg(segment(0xE2, b"ICC" + bytes(65_000)) * 160),
        after_start_of_jpeg(segment(0xFE, b"words") * (MAX_SEGMENTS - 50)),
        before_data_of_png(chunk(b"abCd", bytes(8192)) * 1000 + chunk(b"abCd", b"") * (MAX_CHUNKS - 1100)),
        after_start_of_jpeg(b"\xff" * 9_000_000),
        scans(1),
    ):
        upload = inspect(data, ("jpeg", "png"), 40_000_000, 16_384)
        assert canvases(upload, [FITS["stretch"](upload.width, upload.height, 64)], 64, "jpeg")[0]


def profile_that_swaps_red_and_green() -> bytes:
    """An sRGB profile whose first two colourants changed places."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "gRSB".encode("utf-16-be"))


@pytest.mark.parametrize(
    ("format", "mode"),
    [("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("TIFF", "RGB")],
)
def test_colours_are_those_that_the_icc_profile_means(format: str, mode: str) -> None:
    image = Image.new(mode, (64, 64), "red")
    options = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    data = encoded(image, format, icc_profile=profile_that_swaps_red_and_green(), **options)
    upload = inspect(data, tuple(FORMATS.split(",")), 10**6, 10**4)
    drawn = Image.open(io.BytesIO(canvases(upload, [FITS["pad"](64, 64, 64)], 64, "png")[0]))
    shown = Image.open(io.BytesIO(annotate(upload, [], "png")))
    for seen in (drawn, shown):
        red, green, blue = pixel(seen, (32, 32))
        assert red < 60 < 200 < green
        assert blue < 60


@pytest.mark.parametrize("profile", [b"junk", b"", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
def test_a_profile_that_does_not_fit_leaves_the_colours_as_they_are(profile: bytes) -> None:
    data = encoded(Image.new("RGB", (64, 64), "red"), "PNG", icc_profile=profile)
    upload = inspect(data, ("png",), 10**6, 10**4)
    drawn = Image.open(io.BytesIO(canvases(upload, [FITS["pad"](64, 64, 64)], 64, "png")[0]))
    assert pixel(drawn, (32, 32)) == (255, 0, 0)


def post_meanwhile(client: httpx2.Client, data: bytes, count: int) -> tuple[list[int], list[threading.Thread]]:
    """So many posts from threads of their own; the statuses come as they are answered."""
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(answer_later(client, data))) for _ in range(count)]
    for thread in threads:
        thread.start()
    return statuses, threads


def slow_answers(seed_endpoint: SeedEndpoint) -> threading.Event:
    """Have the endpoint answer nothing until the event is set."""
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(20), reply(answer()))[1]
    return go_on


REKOGNITION = "X-Amz-Target: RekognitionService.DetectLabels\r\nContent-Type: application/x-amz-json-1.1"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/detect", "Content-Type: image/jpeg"),
        ("/detect/batch", "Content-Type: multipart/form-data; boundary=b"),
        ("/v1/vision/detection", "Content-Type: multipart/form-data; boundary=b"),
        ("/v1/vision/custom/seed", "Content-Type: multipart/form-data; boundary=b"),
        ("/", REKOGNITION),
    ],
)
def test_a_full_queue_is_429_with_the_name_of_its_limit_before_the_body_is_read(
    start: Start, seed_endpoint: SeedEndpoint, path: str, headers: str
) -> None:
    go_on = slow_answers(seed_endpoint)
    client = start(endpoint_calls=1, queue_seconds=0.25)
    statuses, threads = post_meanwhile(client, jpeg(), 3)
    wait_for(lambda: b'detect_waiting{place="endpoint"} 2.0' in client.get("/metrics").content)
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        unsent = "Content-Length: 1000000\r\nExpect: 100-continue"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n{unsent}\r\n\r\n".encode())
        refused = connection.recv(65536)
    assert refused.startswith(b"HTTP/1.1 400 " if path == "/" else b"HTTP/1.1 429 ")  # as the AWS SDKs expect it
    assert b"retry-after: 1\r\n" in refused.lower()
    assert (b"Throttling" if path == "/" else b"The queue is full") in refused
    assert b'detect_rejected_total{limit="endpoint-queue"} 1.0' in client.get("/metrics").content
    go_on.set()
    for thread in threads:
        thread.join()
    assert [*statuses, answer_later(client, jpeg())] == [200] * 4


def test_a_bad_image_waits_for_nobody(start: Start, seed_endpoint: SeedEndpoint) -> None:
    go_on = slow_answers(seed_endpoint)
    client = start(endpoint_calls=1)
    _, threads = post_meanwhile(client, jpeg(), 3)
    wait_for(lambda: len(seed_endpoint.requests) == 1)
    assert [answer_later(client, data) for data in (b"GIF89a", jpeg()[:300])] == [415, 422]
    go_on.set()
    for thread in threads:
        thread.join()


def test_an_image_that_takes_longer_than_any_may_is_422_and_the_next_is_answered(start: Start) -> None:
    client = start(decode_seconds=0.05)
    assert answer_later(client, jpeg(64, 64)) == 200
    large = encoded(scene(6000, 5000), "PNG", compress_level=1)
    body = problem(client.post("/detect", files={"image": large}), 422, "undecodable-picture")
    assert "exceeded the limit" in body["detail"]
    assert answer_later(client, jpeg(64, 64)) == 200


def test_one_address_at_full_load_leaves_another_its_turns(start: Start, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer())
    client, stop = start(), threading.Event()
    large = jpeg(4000, 3000)

    def flood() -> None:
        with httpx2.Client(base_url=client.base_url, timeout=60) as greedy:
            while not stop.is_set():
                greedy.post("/detect", content=large, headers={"Content-Type": "image/jpeg"})

    threads = [threading.Thread(target=flood) for _ in range(12)]
    for thread in threads:
        thread.start()
    transport = httpx2.HTTPTransport(local_address="127.0.0.2")
    with httpx2.Client(base_url=client.base_url, timeout=60, transport=transport) as polite:
        statuses = [answer_later(polite, jpeg()) for _ in range(10)]
    stop.set()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 10


def test_bytes_are_reserved_all_or_none_and_one_caller_leaves_room_for_another() -> None:
    held = UploadBytes(90)
    held.reserve("a", 80)
    with pytest.raises(Overloaded) as caught:
        held.reserve("a", 1)
    assert caught.value.members == {"limit": "upload-bytes"}
    held.reserve("b", 8)
    with pytest.raises(Overloaded):
        held.reserve("c", 3)
    held.free("a", 80)
    held.free("b", 8)
    held.reserve("c", 80)


def test_stalled_uploads_of_one_address_leave_room_for_another(start: Start) -> None:
    client = start()
    address = (client.base_url.host, client.base_url.port)
    size = 9_000_000
    stalled = []
    try:
        for _ in range(15):
            connection = socket.create_connection(address, timeout=10)
            headers = f"Content-Type: image/jpeg\r\nContent-Length: {size}"
            connection.sendall(f"POST /detect HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n".encode() + b"half")
            stalled.append(connection)
        wait_for(lambda: b'detect_rejected_total{limit="upload-bytes"}' in client.get("/metrics").content)
        transport = httpx2.HTTPTransport(local_address="127.0.0.2")
        with httpx2.Client(base_url=client.base_url, timeout=60, transport=transport) as polite:
            assert answer_later(polite, jpeg()) == 200
    finally:
        for connection in stalled:
            connection.close()


def test_uploads_beyond_the_memory_for_them_are_429_and_what_was_held_is_free_again(
    start: Start, seed_endpoint: SeedEndpoint
) -> None:
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(20), reply(answer()))[1]
    client, image = start(held_bytes=110_000), jpeg()
    padded = image + bytes(60_000 - len(image))
    statuses: list[int] = []
    first = threading.Thread(target=lambda: statuses.append(answer_later(client, padded)))
    first.start()
    wait_for(lambda: len(seed_endpoint.requests) == 1)
    response = client.post("/detect", content=padded, headers={"Content-Type": "image/jpeg"})
    assert response.headers["Retry-After"] == "1"
    problem(response, 429, "overloaded")
    assert client.get("/health/live").status_code == 200
    go_on.set()
    first.join()
    assert [*statuses, answer_later(client, padded)] == [200, 200]


def answer_later(client: httpx2.Client, data: bytes) -> int:
    return client.post("/detect", content=data, headers={"Content-Type": "image/jpeg"}).status_code


def test_a_refusal_is_read_by_a_client_that_is_still_sending(start: Start) -> None:
    client = start(max_body_bytes=50_000)
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        headers = "Content-Type: image/jpeg\r\nContent-Length: 150000\r\nConnection: close"
        connection.sendall(f"POST /detect HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n".encode())
        for _ in range(15):
            connection.sendall(bytes(10_000))
            time.sleep(0.005)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_caller_who_hangs_up_frees_his_place_and_his_bytes(start: Start, seed_endpoint: SeedEndpoint) -> None:
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(0 if len(seed_endpoint.requests) > 1 else 20), reply(answer()))[1]
    client = start(endpoint_calls=1, held_bytes=60_000)
    padded = jpeg() + bytes(50_000 - len(jpeg()))
    hang_up_after(client, padded, lambda: len(seed_endpoint.requests) == 1)
    wait_for(lambda: answer_later(client, padded) == 200, seconds=3)
    go_on.set()


def form(*parts: bytes, end: bytes = b"--B--\r\n") -> bytes:
    return b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + end


def part(data: bytes, disposition: bytes = b'form-data; name="image"; filename="a.jpg"', more: bytes = b"") -> bytes:
    return b"Content-Disposition: " + disposition + b"\r\n" + more + b"\r\n" + data


TEXT = part(b"person", b'form-data; name="labels"')


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (form(part(jpeg())), 200),
        (b"a preamble\r\n" + form(part(jpeg()), end=b"--B-- \r\nan epilogue"), 200),
        (form(TEXT, part(jpeg(), more=b"Content-Type: image/jpeg\r\nX-More: 1\r\n"), TEXT), 200),
        (form(part(jpeg(), b'FORM-DATA; filename="a; b.jpg"; name=file')), 200),
        (form(part(jpeg() + b"\r\n--A\r\n--\r\n")), 200),
        (form(*[TEXT] * 19, part(jpeg())), 200),
        (form(*[TEXT] * 20, part(jpeg())), 400),
        (form(part(jpeg(), b'form-data; filename="a.jpg"')), 400),
        (form(part(jpeg(), more=b"X-More: " + b"1" * 10_000 + b"\r\n")), 400),
        (form(part(jpeg()), end=b""), 400),
        (form(b"\r\n" + jpeg()), 400),
        (form(b"no header, no end"), 400),
        (b"--B", 400),
        (b"--B--", 400),
    ],
)
def test_forms_are_taken_as_clients_write_them_and_damaged_ones_refused(
    client: httpx2.Client, body: bytes, status: int
) -> None:
    response = client.post("/detect", content=body, headers={"Content-Type": "multipart/form-data; boundary=B"})
    assert response.status_code == status


@pytest.mark.parametrize("filling", [b"\r\n--B-", b"\r\n--", b"\r\n", b"-", b"--B\r\n"])
def test_a_form_full_of_almost_boundaries_is_answered_at_once(client: httpx2.Client, filling: bytes) -> None:
    body = form(part(filling * (9_000_000 // len(filling))))
    started = time.monotonic()
    client.post("/detect", content=body, headers={"Content-Type": "multipart/form-data; boundary=B"})
    assert time.monotonic() - started < 1


NOISE = encoded(Image.effect_noise((1500, 1500), 90).convert("RGB"), "JPEG", quality=20)


def ask_for_drawing(client: httpx2.Client) -> socket.socket:
    """Ask for a drawing of some megabytes, and read nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((client.base_url.host, client.base_url.port))
    headers = f"Accept: image/png\r\nContent-Type: image/jpeg\r\nContent-Length: {len(NOISE)}"
    connection.sendall(f"POST /detect HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n".encode() + NOISE)
    return connection


def held_bytes(client: httpx2.Client) -> float:
    return float(client.get("/metrics").text.partition("\ndetect_held_bytes ")[2].split()[0])


def test_an_answer_that_nobody_takes_is_held_for_a_while_then_cut_off_and_free(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.web.http_protocol.ANSWER_SECONDS", 5.0)
    client = start(held_bytes=6_000_000)
    with ask_for_drawing(client):
        wait_for(lambda: held_bytes(client) > 1_000_000)
        refused = client.post("/detect", content=NOISE, headers={"Content-Type": "image/jpeg", "Accept": "image/png"})
        problem(refused, 429, "overloaded")
        assert client.post("/detect", files={"image": jpeg()}).status_code == 200, "small answers have room"
        wait_for(lambda: held_bytes(client) == 0, seconds=20)
    drawn = client.post("/detect", content=NOISE, headers={"Content-Type": "image/jpeg", "Accept": "image/png"})
    assert Image.open(io.BytesIO(drawn.content)).size == (1500, 1500)
