"""What people's clients send, as public bug reports have it: the bytes decide what is an image, in every dialect."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest
import requests

from tests.api.conftest import Start
from tests.api.responses import problem
from tests.example_images import encoded, jpeg, scene
from tests.seed_endpoint import SeedEndpoint, answer, reply

IMAGE = jpeg(64, 48)
FORM = {"Content-Type": "multipart/form-data; boundary=B"}
PERSON, FAINT = (0, 0.9, (128.0, 64.0, 256.0, 448.0)), (0, 0.1, (0.0, 0.0, 99.0, 99.0))
BARE = b'form-data; name="image"'
FIELD = b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
NAMED = b'--B\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'


def part(*headers: bytes, data: bytes = IMAGE) -> bytes:
    """A part with these headers, of which the first is its disposition."""
    return b"\r\n".join((b"--B\r\nContent-Disposition: " + headers[0], *headers[1:], b"", data, b""))


BODIES = {
    "without a file name": part(BARE),
    "without a file name, typed": part(BARE, b"Content-Type: image/jpeg", b"Content-Length: %d" % len(IMAGE)),
    "without a file name, octets": part(BARE, b"Content-Type: application/octet-stream"),
    "filename* alone": part(BARE + b"; filename*=utf-8''stra%C3%9Fe.jpg", b"Content-Type: image/jpeg"),
    "an empty file name": part(BARE + b'; filename=""'),
    "named file": part(b'form-data; name="file"'),
    "a text field named file before": FIELD % (b"file", b"holiday.jpg") + part(BARE),
    "a text field named file behind": part(BARE) + FIELD % (b"file", b"holiday.jpg"),
    "a second, empty input": NAMED % (b"image", b"a.jpg", IMAGE) + NAMED % (b"file", b"", b""),
    "a first, empty input of the same name": NAMED % (b"image", b"", b"") + NAMED % (b"image", b"a.jpg", IMAGE),
    "a PNG without a file name": part(BARE, data=encoded(scene(64, 48), "PNG")),
    "a WebP without a file name": part(BARE, data=encoded(scene(64, 48), "WEBP")),
}
Way = Callable[[httpx2.Client, bytes], int]


def native(client: httpx2.Client, body: bytes) -> int:
    return len(client.post("/detect", content=body, headers=FORM).raise_for_status().json()["detections"])


def batch(client: httpx2.Client, body: bytes) -> int:
    (entry,) = client.post("/detect/batch", content=body, headers=FORM).raise_for_status().json()["entries"]
    return len(entry["result"]["detections"])


def deepstack(client: httpx2.Client, body: bytes) -> int:
    return len(client.post("/v1/vision/detection", content=body, headers=FORM).raise_for_status().json()["predictions"])


@pytest.fixture
def one_person(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> httpx2.Client:
    """A gateway whose model finds one person, and another faintly."""
    seed_endpoint.script = lambda _: reply(answer(PERSON, FAINT))
    return client


@pytest.mark.parametrize("way", [native, batch, deepstack])
def test_a_part_is_an_image_by_its_bytes_whatever_its_headers_say(one_person: httpx2.Client, way: Way) -> None:
    assert {name: way(one_person, body + b"--B--\r\n") for name, body in BODIES.items()} == dict.fromkeys(BODIES, 1)


@pytest.mark.parametrize("way", [native, batch, deepstack])
def test_the_bodies_of_the_bug_reports_are_answered(one_person: httpx2.Client, shared: Path, way: Way) -> None:
    bodies = sorted((shared / "cases").glob("mp_*.bin"))
    assert {path.name: way(one_person, path.read_bytes()) for path in bodies} == {path.name: 1 for path in bodies}


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (FIELD % (b"image", b"photo.jpg"), 400, "malformed-upload", "is text; send the bytes"),
        (FIELD % (b"photo", b"photo.jpg"), 400, "malformed-upload", "0 parts named image or file"),
        (NAMED % (b"image", b"", b""), 400, "malformed-upload", "is text; send the bytes"),
        (NAMED % (b"image", b"a.jpg", b""), 400, "malformed-upload", "0 bytes"),
        (part(BARE) + part(BARE), 400, "malformed-upload", "2 parts"),
        (NAMED % (b"image", b"a.txt", b"words"), 415, "unsupported-picture-format", "not a known image format"),
        (part(BARE, data=IMAGE[:500]), 422, "undecodable-picture", "damaged"),
        (part(BARE, data=b"\0\0\0\x18ftypheic\0\0\0\0mif1\xff"), 415, "unsupported-picture-format", "HEIC"),
    ],
)
def test_a_form_without_an_image_says_what_is_wrong_with_it(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, body: bytes, status: int, code: str, words: str
) -> None:
    told = problem(client.post("/detect", content=body + b"--B--\r\n", headers=FORM), status, code)
    assert words in told["detail"]
    assert not seed_endpoint.requests


def test_a_file_that_is_text_gives_way_to_one_that_is_an_image(one_person: httpx2.Client) -> None:
    files = {"file": ("notes.txt", b"words"), "image": ("a.jpg", IMAGE)}
    assert one_person.post("/detect", files=files).raise_for_status().json()["count"] == 1


def test_pythons_clients_as_they_are_get_the_boxes(one_person: httpx2.Client) -> None:
    url = str(one_person.base_url.join("/detect"))

    async def with_aiohttp() -> int:
        form = aiohttp.MultipartWriter("form-data")
        form.append(IMAGE).set_content_disposition("form-data", name="image")
        form.append("0.05").set_content_disposition("form-data", name="min_score")
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as response:
            return int((await response.json())["count"])

    assert asyncio.run(with_aiohttp()) == 2
    assert requests.post(url, files={"image": (None, IMAGE)}, timeout=10).json()["count"] == 1
    assert requests.post(url, data=IMAGE, timeout=10).json()["count"] == 1


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "image/jpeg",
        "image/png",
        "application/octet-stream",
        "binary/octet-stream",
        "application/x-image",
        "application/x-www-form-urlencoded",
        "text/plain",
    ],
)
def test_a_raw_body_is_an_image_by_its_bytes_whatever_type_it_has(one_person: httpx2.Client, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert one_person.post("/detect", content=IMAGE, headers=headers).raise_for_status().json()["count"] == 1


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_json_is_json_whatever_type_it_has(one_person: httpx2.Client, kind: str) -> None:
    body = b' {"image": "%s"}' % base64.b64encode(IMAGE)
    assert one_person.post("/detect", content=body, headers={"Content-Type": kind}).raise_for_status().json()["count"]


def test_a_form_that_is_text_is_told_how_to_send_an_image(client: httpx2.Client) -> None:
    told = problem(client.post("/detect", data={"image": base64.b64encode(IMAGE).decode()}), 400, "malformed-upload")
    assert "-F" in told["detail"]


@pytest.mark.parametrize("size", [(64, 48), (65, 48), (66, 49)])
def test_base64_may_be_unpadded_url_safe_or_a_data_url(one_person: httpx2.Client, size: tuple[int, int]) -> None:
    image = jpeg(*size)
    plain, safe = base64.b64encode(image).decode(), base64.urlsafe_b64encode(image).decode()
    for text in (plain, plain.rstrip("="), safe, safe.rstrip("="), f"data:image/jpeg;base64,{safe.rstrip('=')}"):
        assert one_person.post("/detect", json={"image": text}).raise_for_status().json()["count"] == 1


@pytest.mark.parametrize("path", ["/detect", "/detect/batch"])
def test_form_fields_count_as_the_query_does(start: Start, seed_endpoint: SeedEndpoint, path: str) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON, (1, 0.8, (9.0, 9.0, 99.0, 99.0)), FAINT))
    client = start(labels="person,dog")

    def found(fields: dict[str, Any], **query: Any) -> Any:
        body = client.post(path, files={"image": IMAGE}, data=fields, params=query).raise_for_status().json()
        return [one["label"] for one in (body.get("entries") or [{"result": body}])[0]["result"]["detections"]]

    assert found({"min_score": "0.05"}) == found({}, min_score=0.05) == ["person", "dog", "person"]
    assert found({"labels": ["dog", "person"], "max_detections": "1"}) == ["person"]
    assert found({"labels": "dog"}) == ["dog"]
    assert found({"min_score": "", "labels": "", "model": ""}) == ["person", "dog"], "inputs of a page left empty"
    assert found({"min_score": "0.85"}, min_score=0.05, labels="person") == ["person"]
    assert found({"model": "seed"}) == ["person", "dog"]


def test_format_and_image_id_may_be_fields_too(one_person: httpx2.Client) -> None:
    fields = {"format": "coco", "image_id": "7"}
    (found,) = one_person.post("/detect", files={"image": IMAGE}, data=fields).raise_for_status().json()
    assert found["image_id"] == 7


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("min-score", "min_score"),
        ("min_confidence", "min_score"),
        ("minScore", "min_score"),
        ("labels[]", "labels"),
        ("label", "labels"),
        ("max_detection", "max_detections"),
        ("quux", "Parameters: "),
    ],
)
def test_an_unknown_parameter_is_named_with_the_nearest_known_one(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, name: str, near: str
) -> None:
    for path in ("/detect", "/detect/batch"):
        for query, fields in (({name: "1"}, {}), ({}, {name: "1"})):
            response = client.post(path, files={"image": IMAGE}, params=query, data=fields)
            told = problem(response, 422, "invalid-parameter")
            assert (told["parameters"], name in told["detail"], near in told["detail"]) == ([name], True, True)
    assert not seed_endpoint.requests


def test_a_form_field_out_of_range_is_named_as_in_the_query(client: httpx2.Client) -> None:
    for name, value in {"min_score": "7", "max_detections": "many", "format": "gif", "labels": "unicorn"}.items():
        told = problem(client.post("/detect", files={"image": IMAGE}, data={name: value}), 422, "invalid-parameter")
        assert name in told["detail"] or value in told["detail"]
    problem(client.post("/detect", files={"image": IMAGE}, data={"model": "cats"}), 404, "unknown-model")


def test_other_routes_name_unknown_parameters_and_dialects_pass_them_over(one_person: httpx2.Client) -> None:
    for path in ("/model", "/health/ready"):
        assert (
            "Did you mean model?"
            in problem(one_person.get(path, params={"modle": "x"}), 422, "invalid-parameter")["detail"]
        )
    sent = one_person.post("/v1/vision/detection", files={"image": IMAGE}, data={"zone": "1"}, params={"a": "b"})
    assert sent.raise_for_status().json()["count"] == 1


@pytest.mark.parametrize(
    "accept",
    [
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
        "image/jpeg, application/json;q=0.1",
        "image/png, text/plain",
        "image/jpeg;q=0",
    ],
    ids=["Java", "Chromium", "JSON acceptable", "not only images", "refused"],
)
def test_json_is_the_answer_wherever_anything_but_images_is_acceptable(client: httpx2.Client, accept: str) -> None:
    response = client.post("/detect", files={"image": IMAGE}, headers={"Accept": accept})
    assert response.headers["Content-Type"] == "application/json"
    drawn = client.post("/detect", files={"image": IMAGE}, headers={"Accept": accept}, params={"format": "webp"})
    assert drawn.headers["Content-Type"] == "image/webp"


@pytest.mark.parametrize(
    "path", ["/", "/health", "/health/live", "/health/ready", "/model", "/models", "/docs", "/redoc", "/openapi.json"]
)
def test_head_is_answered_wherever_get_is_and_has_no_body(client: httpx2.Client, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"") == (200, b"")
    named = {"content-type", "content-security-policy"}
    assert {n: v for n, v in head.headers.items() if n in named} == {n: v for n, v in got.headers.items() if n in named}
    assert client.head("/detect").status_code == 405


@pytest.mark.parametrize("path", ["//detect", "/detect/", "///detect//", "/detect/batch/", "//v1//vision/detection/"])
def test_slashes_too_many_change_nothing(one_person: httpx2.Client, path: str) -> None:
    response = one_person.post(as_it_is(one_person, path), files={"image": IMAGE})
    assert response.status_code == 200, response.text


def test_a_prefix_keeps_its_place_before_slashes_too_many(start: Start) -> None:
    client = start(root_path="/vision")
    assert client.get(as_it_is(client, "//health/live/")).json() == {"status": "alive"}
    assert client.get(as_it_is(client, "//")).headers["Content-Type"].startswith("text/html")


def as_it_is(client: httpx2.Client, path: str) -> str:
    """An address with this very path: joined to another, two slashes would begin a host."""
    return f"http://{client.base_url.host}:{client.base_url.port}{path}"


def test_a_preflight_with_tracing_headers_is_allowed(start: Start) -> None:
    asked = {
        "Origin": "https://app.example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "traceparent, tracestate, content-type, x-amz-target",
    }
    client = start(cors_origins="https://app.example.org")
    assert (
        "traceparent"
        in client.options("/detect", headers=asked).raise_for_status().headers["Access-Control-Allow-Headers"]
    )
    assert client.options("/detect", headers={**asked, "Origin": "https://evil.example"}).status_code == 400
