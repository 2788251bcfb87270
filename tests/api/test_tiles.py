"""`tiles` over real sockets: what is small is found, each call is counted, and one failure ends them all."""

import base64
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from PIL import Image

from api.admission.api_keys import new_key
from api.client import Client
from api.endpoint.embedded_process import embedded_endpoint
from tests.api.conftest import Start
from tests.api.gateway import gateway
from tests.api.processes import run
from tests.api.responses import problem
from tests.conftest import ROOT
from tests.example_images import encoded, jpeg, stored
from tests.model_dirs import BUNDLED
from tests.seed_endpoint import Answer, SeedEndpoint, answer, aws_error, reply
from tests.waiting import wait_for

PEOPLE = ROOT / "docs" / "images" / "people"
RED = (1000, 620, 1060, 690)
WIDTH, HEIGHT = 1200, 800
IMAGE = jpeg(WIDTH, HEIGHT)
PERSON = (0, 0.9, (128.0, 64.0, 256.0, 448.0))
FAULT = aws_error("InternalFailure", 500)


def post(client: httpx2.Client, tiles: str | None, image: bytes = IMAGE, **options: Any) -> httpx2.Response:
    return client.post("/detect", params={"tiles": tiles} if tiles else {}, files={"image": image}, **options)


def with_red(box: tuple[int, int, int, int]) -> Image.Image:
    """A grey image with something red in it."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "grey")
    image.paste((255, 0, 0), box)
    return image


def find_red(request: dict[str, Any], score: float = 0.9) -> Answer:
    """What a detector of red things answers for a canvas: a box around them, unless the canvas cuts them off."""
    canvas = Image.open(io.BytesIO(base64.b64decode(request["image"]))).convert("RGB")
    red, green, blue = canvas.split()
    seen = red.point(lambda v: 255 * (v > 180))
    for other in (green, blue):
        seen = Image.composite(Image.new("L", canvas.size), seen, other.point(lambda v: 255 * (v > 90)))
    box = seen.getbbox()
    if not box or min(box[:2]) == 0 or max(box[2:]) == canvas.width:
        return reply(answer(size=canvas.width))
    x_min, y_min, x_max, y_max = map(float, box)
    return reply(answer((0, score, (x_min, y_min, x_max, y_max)), size=canvas.width))


def hang(go_on: threading.Event, on: Callable[[int], bool]) -> Callable[[dict[str, Any]], Answer]:
    """A script that does not answer the calls whose number is chosen, until `go_on` is set."""
    numbers = iter(range(1000))

    def script(_: dict[str, Any]) -> Answer:
        if on(next(numbers)):
            go_on.wait(20)
        return reply(answer(PERSON))

    return script


def calls_in_figures(client: httpx2.Client) -> int:
    (value,) = re.findall(r'detect_billed_invocations_total\{model="seed"\} ([\d.]+)', client.get("/metrics").text)
    return int(float(value))


@pytest.fixture(scope="module")
def bundled() -> Iterator[httpx2.Client]:
    """A gateway with the bundled person detector."""
    with (
        embedded_endpoint({"person": BUNDLED}) as embedded,
        gateway(embedded_socket=embedded.socket, model_dir=BUNDLED) as client,
    ):
        wait_for(lambda: client.get("/health/ready").status_code == 200, seconds=30)
        yield client


def mosaic() -> bytes:
    """Sixty-four photographs with a person each in one image of 2560×1920."""
    names = ("astronaut.jpg", "hopper-half.jpg", "photographer.jpg", "hopper-quarter.jpg")
    photographs = [Image.open(PEOPLE / name).convert("RGB").resize((320, 240)) for name in names]
    image = Image.new("RGB", (2560, 1920))
    for cell in range(64):
        image.paste(photographs[(cell + cell // 8) % 4], (320 * (cell % 8), 240 * (cell // 8)))
    return encoded(image, quality=90)


def test_people_who_are_small_in_a_large_image_are_found_with_tiles(bundled: httpx2.Client) -> None:
    image = mosaic()
    alone, tiled = (post(bundled, tiles, image).raise_for_status().json() for tiles in (None, "auto"))
    assert (alone["calls"], tiled["calls"]) == (1, 17)
    assert 3 * cells_of(alone) <= 48 <= cells_of(tiled), "of 64"


def cells_of(answered: dict[str, Any]) -> int:
    """How many of the photographs have a person found in them."""
    middles = [
        (one["box"]["x_min"] + one["box"]["x_max"], one["box"]["y_min"] + one["box"]["y_max"])
        for one in answered["detections"]
    ]
    return len({(x // 640, y // 480) for x, y in middles})


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_in_pixels_of_the_upright_image_whatever_tile_it_was_seen_in(
    start: Start, seed_endpoint: SeedEndpoint, orientation: int, fit: str
) -> None:
    seed_endpoint.script = find_red
    (one,) = post(start(fit=fit), "2x3", stored(with_red(RED), orientation)).raise_for_status().json()["detections"]
    assert list(one["box"].values()) == pytest.approx(RED, abs=3)
    assert one["box_normalized"]["x_max"] == pytest.approx(one["box"]["x_max"] / WIDTH, abs=1e-5)


def test_a_jpeg_that_is_decoded_at_reduced_scale_keeps_the_boxes_of_its_tiles(
    start: Start, seed_endpoint: SeedEndpoint
) -> None:
    seed_endpoint.script = find_red
    (one,) = (
        post(start(), "2x2", stored(with_red(RED).resize((6 * WIDTH, 6 * HEIGHT)), 6))
        .raise_for_status()
        .json()["detections"]
    )
    assert list(one["box"].values()) == pytest.approx([6 * at for at in RED], abs=20)


def test_the_endpoint_gets_the_whole_image_and_every_tile_and_all_are_counted(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    body = post(client, "2x3", headers={"X-Request-ID": "order-17"}).raise_for_status().json()
    assert (body["calls"], body["parameters"]["tiles"]) == (7, "2x3")
    assert len(seed_endpoint.requests) == calls_in_figures(client) == 7
    assert len({request["image"] for request in seed_endpoint.requests}) == 7
    ids = {headers["X-Amzn-SageMaker-Inference-Id"] for headers in seed_endpoint.headers}
    assert ids == {"order-17", *(f"order-17.{number}" for number in range(1, 7))}


def test_without_tiles_there_is_one_call(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    body = post(client, None).raise_for_status().json()
    assert (body["calls"], body["parameters"]["tiles"], len(seed_endpoint.requests)) == (1, None, 1)


@pytest.mark.parametrize(
    ("size", "calls"),
    [((512, 512), 1), ((1024, 768), 1), ((1200, 800), 3), ((1024, 1600), 3), ((4000, 3000), 17), ((9000, 300), 12)],
)
def test_auto_makes_tiles_of_at_most_two_canvases_a_side(
    client: httpx2.Client, size: tuple[int, int], calls: int
) -> None:
    image = encoded(Image.new("RGB", size))
    assert post(client, "auto", image).raise_for_status().json()["calls"] == calls


def test_tiles_may_be_a_form_field(client: httpx2.Client) -> None:
    answered = client.post("/detect", data={"tiles": "2x2"}, files={"image": IMAGE}).raise_for_status().json()
    assert answered["calls"] == 5


@pytest.mark.parametrize("tiles", ["3x6", "17x1", "99x99"])
def test_more_tiles_than_the_limit_are_422_and_nothing_is_called(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, tiles: str
) -> None:
    body = problem(post(client, tiles), 422, "invalid-parameter")
    assert body["parameters"] == ["tiles"]
    assert "the maximum is 16" in body["detail"]
    assert not seed_endpoint.requests


def test_the_operator_sets_the_limit_and_auto_keeps_to_it(start: Start) -> None:
    client = start(max_tiles=4)
    problem(post(client, "1x5"), 422, "invalid-parameter")
    assert post(client, "auto", jpeg(4000, 3000)).json()["calls"] == 5


@pytest.mark.parametrize("tiles", ["3", "0x2", "2x", "2x-1", "AUTO", "100x1", "2X2", "2x2\n"])
def test_tiles_that_mean_nothing_are_422(client: httpx2.Client, tiles: str) -> None:
    assert problem(post(client, tiles), 422, "invalid-parameter")["parameters"] == ["tiles"]


def test_what_several_tiles_see_is_one_detection_and_the_best_of_them(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    image = encoded(with_red((380, 370, 440, 430)))
    scores, told = iter((0.6, 0.7, 0.9, 0.8, 0.5, 0.6, 0.7)), list[float]()

    def script(request: dict[str, Any]) -> Answer:
        answered = find_red(request, next(scores))
        told.append(json.loads(answered[2])["score"][0][0])
        return answered

    seed_endpoint.script = script
    (one,) = post(client, "2x3", image).raise_for_status().json()["detections"]
    assert sum(score > 0 for score in told) == 5, "the whole image and four tiles show it"
    assert one["score"] == max(told)


def test_one_calls_answer_is_left_as_the_endpoint_gave_it(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON, PERSON))
    assert post(client, None).json()["count"] == 2


def test_each_call_counts_towards_the_rate(start: Start, seed_endpoint: SeedEndpoint) -> None:
    key, entry = new_key("frigate")
    for limit in ({"rate_per_address": "8/minute"}, {"rate_per_key": "8/minute"}):
        client = start(api_keys=entry, **limit)
        headers = {"X-API-Key": key}
        assert post(client, "2x2", headers=headers).status_code == 200
        before = len(seed_endpoint.requests)
        problem(post(client, "2x2", headers=headers), 429, "rate-limited")
        assert len(seed_endpoint.requests) == before
        assert post(client, None, headers=headers).status_code == 200, "five and the refused one's first are counted"


def test_a_tile_that_fails_is_one_problem_at_once_and_the_others_are_cancelled(
    client: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    go_on, numbers = threading.Event(), iter(range(100))

    def script(_: dict[str, Any]) -> Answer:
        if next(numbers) == 3:
            return aws_error("ModelError", 424, OriginalStatusCode=500)
        go_on.wait(20)
        return reply(answer())

    seed_endpoint.script = script
    started = time.monotonic()
    problem(post(client, "2x3"), 502, "endpoint-failed")
    assert time.monotonic() - started < 5
    go_on.set()
    seed_endpoint.script = lambda _: reply(answer())
    assert post(client, "2x3").status_code == 200, "no call holds a place"


def test_one_deadline_is_for_all_calls(start: Start, seed_endpoint: SeedEndpoint) -> None:
    client, go_on = start(deadline_seconds=0.8, endpoint_calls=8), threading.Event()
    seed_endpoint.script = hang(go_on, lambda number: number == 4)
    started = time.monotonic()
    problem(post(client, "2x3"), 504, "deadline-exceeded")
    assert time.monotonic() - started < 3
    go_on.set()


def test_calls_wait_in_the_queue_like_those_of_other_requests(start: Start, seed_endpoint: SeedEndpoint) -> None:
    at_once, most, lock = [0], [0], threading.Lock()

    def script(_: dict[str, Any]) -> Answer:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        with lock:
            at_once[0] -= 1
        return reply(answer())

    seed_endpoint.script = script
    timing = post(start(endpoint_calls=2), "3x3").raise_for_status().json()["timing_ms"]
    assert most[0] == 2
    assert timing["queue"] >= 150, "the last of ten waits for four before it"
    assert timing["inference"] <= timing["total"], "of the longest call, not of all"


def test_a_breaker_that_lets_one_call_pass_to_try_is_closed_by_a_request_with_tiles(
    start: Start, seed_endpoint: SeedEndpoint
) -> None:
    client = start(breaker_faults=1)
    seed_endpoint.script = lambda _: FAULT
    problem(post(client, None), 503, "endpoint-unavailable")
    seed_endpoint.script = lambda _: reply(answer())
    time.sleep(1.1)
    assert post(client, "2x2").status_code == 200


def test_the_image_comes_back_with_the_boxes_of_all_tiles(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    drawn = Image.open(io.BytesIO(post(client, "2x2", headers={"Accept": "image/png"}).content))
    assert drawn.size == (WIDTH, HEIGHT)


def test_the_command_line_and_the_client_ask_for_tiles(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, tmp_path: Any
) -> None:
    (tmp_path / "large.jpg").write_bytes(IMAGE)
    printed = run("detect", tmp_path / "large.jpg", "--url", client.base_url, "--tiles", "2x3", "--json").stdout
    assert '"calls": 7' in printed
    with Client(str(client.base_url)) as gateway:
        assert gateway.detect(IMAGE, tiles="1x2").calls == 3
    refused = run("detect", tmp_path / "large.jpg", "--url", client.base_url, "--tiles", "two", check=False)
    assert refused.returncode == 2
