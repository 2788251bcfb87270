"""Every row of the error table over a real socket: the status, the code, our words, and what the endpoint saw of it."""

import gzip
import json
import resource
import socket
import struct
import threading
import zlib
from typing import Any

import httpx2
import pytest

from api.errors import DetectError
from tests.api.conftest import Start
from tests.api.responses import problem
from tests.example_images import encoded, jpeg, scene
from tests.seed_endpoint import SeedEndpoint, answer, aws_error, reply


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width×height pixels and holds none."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return start + struct.pack(">I", 0) + b"IDAT"


VIDEO = (b"isom", b"iso5", b"mp42", b"3gp4", b"3g2a", b"MSNV", b"qt  ", b"dash", b"M4V ")


def lossless(code: int) -> bytes:
    """The start of a JPEG whose frame has this marker, behind a segment and fill bytes."""
    frame = struct.pack(">BBHBHHB", 0xFF, code, 11, 8, 16, 16, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + b"\xff" * 5 + frame + bytes(50)


@pytest.mark.parametrize(
    "request_options",
    [
        {"content": b"", "headers": {"Content-Type": "text/plain"}},
        {"content": b""},
        {"json": {"image": "x"}},
        {"content": b"", "headers": {"Content-Type": "image/jpeg"}},
        {"content": b"no form", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"no boundary", "headers": {"Content-Type": "multipart/form-data"}},
        {"files": {"photo": jpeg()}},
        {"files": [("image", jpeg()), ("image", jpeg())]},
        {"files": [("image", jpeg()), ("file", jpeg())]},
        {"files": {"image": b""}},
        {"files": {"photo": jpeg()}, "data": {"image": "text"}},
        {"files": [(f"part{n}", b"x") for n in range(9)]},
    ],
)
def test_an_upload_without_exactly_one_image_is_malformed(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, request_options: dict[str, Any]
) -> None:
    problem(client.post("/detect", **request_options), 400, "malformed-upload")
    assert not seed_endpoint.requests


def test_a_form_cut_off_in_the_middle_is_malformed(client: httpx2.Client) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + jpeg()
    response = client.post("/detect", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    problem(response, 400, "malformed-upload")


@pytest.mark.parametrize("declared", [True, False], ids=["with Content-Length", "chunked"])
def test_oversize_upload_is_413_and_never_reaches_the_endpoint(
    start: Start, seed_endpoint: SeedEndpoint, declared: bool
) -> None:
    client, body = start(max_body_bytes=50_000), b"\xff\xd8\xff" + bytes(200_000)
    content = body if declared else iter([body[at : at + 10_000] for at in range(0, len(body), 10_000)])
    response = client.post("/detect", content=content, headers={"Content-Type": "image/jpeg"})
    assert problem(response, 413, "upload-too-large")["max_body_bytes"] == 50_000
    response = client.post("/detect", files={"image": body})
    problem(response, 413, "upload-too-large")
    assert not seed_endpoint.requests


def test_a_client_that_waits_for_100_continue_is_refused_before_it_sends(start: Start) -> None:
    client = start(max_body_bytes=50_000)
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        headers = "Content-Type: image/jpeg\r\nContent-Length: 99999999\r\nExpect: 100-continue"
        connection.sendall(f"POST /detect HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_trickles_is_cut_off_with_408(start: Start) -> None:
    client = start(upload_seconds=0.5)
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        headers = "Content-Type: image/jpeg\r\nContent-Length: 1000"
        connection.sendall(f"POST /detect HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n\xff".encode("latin-1"))
        received = b""
        while not received.endswith(b"}"):
            received += connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "upload-too-slow"


@pytest.mark.parametrize(
    ("data", "detected"),
    [
        (encoded(scene(), "GIF"), "gif"),
        (encoded(scene(), "BMP"), "bmp"),
        (encoded(scene(), "TIFF"), "tiff"),
        (encoded(scene(), "AVIF"), "avif"),
        (encoded(scene(), "JPEG2000"), "jpeg 2000"),
        (encoded(scene(64, 64), "ICO"), "icon"),
        (encoded(scene(), "PDF"), "pdf"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x18ftypheif\0\0\0\0mif1heic", "heif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heif"),
        *((b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic", "video") for brand in VIDEO),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw"),
        *((lossless(code), "lossless jpeg") for code in (0xC3, 0xC7, 0xCB, 0xCF, 0xF7)),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
        (b"<!DOCTYPE html><html></html>", "html"),
        (b"data:image/jpeg;base64,/9j/4AAQ", "base64 text"),
        (b"just words", "unknown"),
    ],
)
def test_another_format_is_415_and_named_with_advice(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, data: bytes, detected: str
) -> None:
    body = problem(client.post("/detect", files={"image": data}), 415, "unsupported-picture-format")
    assert body["detected"] == detected
    assert "JPEG, PNG, WEBP" in body["detail"]
    assert not seed_endpoint.requests


def test_a_format_that_the_operator_opted_into_is_taken(start: Start) -> None:
    response = start(formats="gif").post("/detect", files={"image": encoded(scene(), "GIF")})
    assert response.raise_for_status().json()["image"]["format"] == "GIF"


@pytest.mark.parametrize(
    "data",
    [
        jpeg()[: len(jpeg()) // 2],
        jpeg()[:100],
        encoded(scene(), "PNG")[:-2000],
        encoded(scene(), "WEBP")[:-100],
        png_header(10, 10),
        b"\xff\xd8\xff" + b"junk" * 50,
    ],
    ids=["half a JPEG", "100 bytes of one", "PNG cut", "WebP cut", "PNG header alone", "JPEG of junk"],
)
def test_a_damaged_image_is_undecodable(client: httpx2.Client, seed_endpoint: SeedEndpoint, data: bytes) -> None:
    problem(client.post("/detect", files={"image": data}), 422, "undecodable-picture")
    assert not seed_endpoint.requests


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (16_385, 1), (1, 16_385), (8_000, 7_000)])
def test_too_many_pixels_are_refused_from_the_header_alone(client: httpx2.Client, width: int, height: int) -> None:
    response = client.post("/detect", files={"image": png_header(width, height)})
    body = problem(response, 422, "picture-too-large")
    assert (body["width"], body["height"]) == (width, height)


@pytest.mark.parametrize(
    "query",
    [
        {"min_score": "0"},
        {"min_score": "1.01"},
        {"min_score": "nan"},
        {"min_score": "high"},
        {"max_detections": "0"},
        {"max_detections": "101"},
        {"max_detections": "1.5"},
        {"labels": "unicorn"},
    ],
)
def test_a_parameter_out_of_range_is_named(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, query: dict[str, str]
) -> None:
    body = problem(client.post("/detect", params=query, files={"image": jpeg()}), 422, "invalid-parameter")
    (name,), (value,) = query.keys(), query.values()
    assert name in body["detail"] or value in body["detail"]
    assert not seed_endpoint.requests


@pytest.mark.parametrize("status", [400, 500, 503])
def test_a_model_that_fails_is_502_with_its_status_and_never_its_words(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, status: int
) -> None:
    seed_endpoint.script = lambda _: aws_error(
        "ModelError", 424, OriginalStatusCode=status, OriginalMessage="secret words", LogStreamArn="arn:secret words"
    )
    body = problem(client.post("/detect", files={"image": jpeg()}), 502, "endpoint-failed")
    assert body["endpoint_status"] == status
    assert len(seed_endpoint.requests) == 1, "a failed call may have been billed: it is not repeated"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>secret words</html>",
        b'{"shape": [1, 3, 512, 512]',
        {**answer(), "shape": [1, 3, 512]},
        {**answer(), "shape": [1, 3, 0, 512]},
        {**answer(), "score": [[0.5]]},
        {**answer(), "bbox": [[1, 2, 3]] * 100},
        answer((0, float("nan"), (0, 0, 9, 9))),
        answer((0, 0.9, (0, 0, float("inf"), 9))),
        answer((0, 1.5, (0, 0, 9, 9))),
        answer((0, -0.5, (0, 0, 9, 9))),
        answer((7, 0.9, (0, 0, 9, 9))),
        b'{"pad": "' + b"x" * 10_000_000 + b'"}',
        {**answer(), "shape": [1, 3, 10**4000, 512]},
        answer(*[(0, 0.9, (0.0, 0.0, 9.0, 9.0))] * 40_000),
    ],
    ids=lambda body: str(body)[:60],  # in the environment of what the test starts, which is bounded
)
def test_an_answer_that_breaks_the_contract_is_502(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, body: dict[str, Any] | bytes
) -> None:
    seed_endpoint.script = lambda _: reply(body)
    problem(client.post("/detect", files={"image": jpeg()}), 502, "endpoint-answer-invalid")


def test_a_compressed_answer_is_502_and_unpacks_to_nothing(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    packed = gzip.compress(gzip.compress(bytes(10**8), 9), 9)
    seed_endpoint.on_socket = lambda connection: connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problem(client.post("/detect", files={"image": jpeg()}), 502, "endpoint-answer-invalid")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kilobytes"


def test_a_model_error_whose_status_is_no_number_is_502(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: aws_error("ModelError", 424, OriginalStatusCode="many", OriginalMessage="x")
    assert client.post("/detect", files={"image": jpeg()}).status_code == 502


@pytest.mark.parametrize(
    ("code", "status", "calls"),
    [
        ("ThrottlingException", 400, 2),
        ("ServiceUnavailable", 503, 1),
        ("InternalFailure", 500, 1),
        ("InternalDependencyException", 530, 1),
        ("ValidationError", 400, 1),
        ("AccessDeniedException", 403, 1),
        ("ExpiredTokenException", 403, 1),
        ("UnrecognizedClientException", 403, 1),
        ("InvalidSignatureException", 403, 1),
    ],
)
def test_an_endpoint_that_refuses_is_503_and_only_what_cannot_be_billed_is_repeated(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, code: str, status: int, calls: int
) -> None:
    seed_endpoint.script = lambda _: aws_error(code, status)
    response = client.post("/detect", files={"image": jpeg()})
    assert problem(response, 503, "endpoint-unavailable")["retryable"]
    assert int(response.headers["Retry-After"]) >= 1
    assert len(seed_endpoint.requests) == calls


def test_one_throttled_call_is_repeated_and_answered(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    answers = iter([aws_error("ThrottlingException", 400), reply(answer((0, 0.9, (0, 0, 9, 9))))])
    seed_endpoint.script = lambda _: next(answers)
    assert client.post("/detect", files={"image": jpeg()}).raise_for_status().json()["count"] == 1


def test_nothing_listening_is_503(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{taken.getsockname()[1]}")
        response = start().post("/detect", files={"image": jpeg()})
    problem(response, 503, "endpoint-unavailable")


def test_a_connection_cut_in_the_middle_of_the_answer_is_503_and_not_repeated(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
        connection.shutdown(socket.SHUT_RDWR)

    seed_endpoint.on_socket = cut
    problem(client.post("/detect", files={"image": jpeg()}), 503, "endpoint-unavailable")
    assert len(seed_endpoint.requests) == 1


def test_no_credentials_are_503(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    body = problem(start().post("/detect", files={"image": jpeg()}), 503, "endpoint-unavailable")
    assert "credentials" in body["detail"]


def test_an_endpoint_that_hangs_ends_with_the_time_budget(start: Start, seed_endpoint: SeedEndpoint) -> None:
    go_on = threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(20), reply(answer()))[1]
    response = start(deadline_seconds=0.5).post("/detect", files={"image": jpeg()})
    assert problem(response, 504, "deadline-exceeded")["retryable"]
    go_on.set()


def test_a_bug_of_ours_is_500_and_leaks_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr("api.detect.detections_of", bug)
    problem(start().post("/detect", files={"image": jpeg()}), 500, "internal")


def test_an_unknown_path_and_a_wrong_method_are_problems_too(client: httpx2.Client) -> None:
    problem(client.get("/nowhere"), 404, "not-found")
    response = client.get("/detect")
    problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "POST"


def test_each_class_of_the_tree_has_a_code_of_its_own() -> None:
    def below(parent: type[DetectError]) -> list[type[DetectError]]:
        return [leaf for child in parent.__subclasses__() for leaf in (below(child) or [child])]

    codes = [leaf.code for leaf in below(DetectError)]
    assert len(codes) == len(set(codes)) >= 14
