"""The wire contract, without a server."""

import base64
import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bodies
import canvas
import codec
from errors import Refused
from image import decode
from tests.inference.bad_requests import Bad, bad_requests
from tests.inference.example_requests import drawn_image, encoded, request_of

CASES = bad_requests()


def read(bad: Bad) -> None:
    codec.accepted(bad.accept)
    body = bodies.read(bad.body, bad.content_type)
    if isinstance(body, bodies.EncodedImage):
        canvas.draw(body.data, 300, "stretch")


def refusal_of(work: Callable[[], object]) -> str:
    """Return the words of a refusal, or a word for none; any other exception goes through."""
    try:
        work()
    except Refused as refused:
        return str(refused.message)
    return "taken"


@pytest.mark.parametrize("bad", CASES, ids=[bad.name for bad in CASES])
def test_a_bad_request_is_refused_in_one_short_line_with_its_status(bad: Bad) -> None:
    with pytest.raises(Refused) as refused:
        read(bad)
    assert refused.value.status_code == bad.status
    assert str(refused.value) == refused.value.message
    assert refused.value.message.isprintable()
    assert 0 < len(refused.value.message) <= 300


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=UTF-8",
        'application/json;charset="utf8"',
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, str])
def test_json_is_taken_however_the_container_hands_it_over(content_type: str | None, kind: type) -> None:
    text = request_of(b"an image", 100)
    body = text if kind is str else kind(text.encode())
    assert codec.decode_request(body, content_type) == (b"an image", 100)


def test_short_defaults_to_224() -> None:
    assert codec.decode_request(request_of(b"an image"), None).short == 224


@given(st.binary(min_size=1), st.integers(1, codec.LARGEST_SHORT))
def test_every_image_and_short_come_through_unchanged(data: bytes, short: int) -> None:
    assert codec.decode_request(request_of(data, short), "application/json") == (data, short)


@given(
    st.binary()
    | st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_no_body_raises_anything_but_a_refusal(body: bytes | str) -> None:
    assert refusal_of(lambda: codec.decode_request(body, "application/json")).isprintable()


@given(st.sampled_from(["PNG", "JPEG"]), st.data())
def test_a_damaged_image_is_decoded_or_refused_in_one_line(kind: str, data: st.DataObject) -> None:
    file = bytearray(encoded(drawn_image(3, 40, 30), kind))
    for place in data.draw(st.lists(st.integers(2, len(file) - 1), max_size=8)):
        file[place] = data.draw(st.integers(0, 255))
    assert refusal_of(lambda: decode(bytes(file))).isprintable()


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/json", "text/html, application/*;q=0.5"])
def test_detections_become_the_seeds_json(accept: str | None) -> None:
    rows = np.full((100, 6), -1, np.float32)
    rows[0] = 0, 0.5, 1, 2, 3.5, 4
    found = codec.Detections((1, 3, 10, 20), rows[:, :1], rows[:, 1:2], rows[:, 2:])
    text, kind = codec.encode_response(codec.Answer(found, {"name": "n", "version": "v"}, None), accept)
    answer = json.loads(text)
    assert kind == "application/json"
    assert answer.keys() == {"shape", "cid", "score", "bbox", "model"}
    assert answer["shape"] == [1, 3, 10, 20]
    assert (answer["cid"][0], answer["score"][0], answer["bbox"][0]) == ([0], [0.5], [1, 2, 3.5, 4])
    assert [len(answer[key]) for key in ("cid", "score", "bbox")] == [100, 100, 100]
    assert (answer["cid"][99], answer["score"][99], answer["bbox"][99]) == ([-1], [-1], [-1] * 4)
    assert answer["model"] == {"name": "n", "version": "v"}


def test_strict_base64_takes_what_python_writes() -> None:
    for length in range(1, 20):
        data = bytes(range(length))
        assert codec.read_base64(base64.b64encode(data).decode()) == data
