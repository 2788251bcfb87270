"""Images as base64 in JSON: what is refused, and in which words."""

import base64
from typing import Any

import httpx2
import pytest

from tests.api.conftest import Start
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "malformed-upload", '{"image": "BASE64"}'),
        (b"{", "malformed-upload", '{"image": "BASE64"}'),
        (b"[" * 100_000, "malformed-upload", '{"image": "BASE64"}'),
        (b'{"photo": "aGVsbG8="}', "malformed-upload", '{"image": "BASE64"}'),
        (b'{"image": 7}', "malformed-upload", '{"image": "BASE64"}'),
        (b'{"image": "aGVsbG8=", "min_score": 0.2}', "malformed-upload", "send parameters in the URL"),
        (b'{"image": "not base64!"}', "malformed-upload", "not base64"),
        (b'{"image": "aGVsb"}', "malformed-upload", "not base64"),
        (b'{"image": "aGVs=bG8="}', "malformed-upload", "not base64"),
        ('{"image": "größer"}'.encode(), "malformed-upload", "not base64"),
        (b'{"image": ""}', "malformed-upload", "empty"),
        (b'{"image": "data:image/png;base64,"}', "malformed-upload", "empty"),
        (b'{"image": "aGVsbG8="}', "unsupported-picture-format", "not a known image format"),
        (b'{"image": "http://example.org/cat.jpg"}', "malformed-upload", "not base64"),
    ],
)
def test_what_is_no_image_in_json_is_refused_in_clear_words(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, body: bytes, code: str, words: str
) -> None:
    response = client.post("/detect", content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["code"]) == ({"malformed-upload": 400}.get(code, 415), code)
    assert words in problem["detail"]
    assert seed_endpoint.requests == []


def test_json_over_the_limit_is_413(start: Start, seed_endpoint: SeedEndpoint) -> None:
    response = start(max_body_bytes=10_000).post("/detect", json={"image": "A" * 10_001})
    assert (response.status_code, response.json()["code"]) == (413, "upload-too-large")
    assert seed_endpoint.requests == []


def test_an_image_in_json_can_come_back_drawn(client: httpx2.Client) -> None:
    sent = {"image": base64.b64encode(jpeg()).decode()}
    response = client.post("/detect", json=sent, params={"format": "png"})
    assert response.raise_for_status().content.startswith(b"\x89PNG")
