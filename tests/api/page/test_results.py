"""What the page says of a result or of a problem."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import ViewportSize, expect

from tests.api.browsing import needs_chromium
from tests.api.page.seeing import (
    DOG,
    NARROW,
    PERSON,
    WIDE,
    Open,
    answered,
    area,
    assert_nothing_is_cut_off,
    choose,
    code,
    done,
    overlap,
    shown,
)
from tests.example_images import HOPPER, encoded, pixel
from tests.seed_endpoint import SeedEndpoint, answer, reply

COCO_PLURALS = {
    "person": "people",
    "mouse": "mice",
    "knife": "knives",
    "sheep": "sheep",
    "skis": "skis",
    "scissors": "scissors",
    "broccoli": "broccoli",
    "bus": "buses",
    "bench": "benches",
    "sandwich": "sandwiches",
    "couch": "couches",
    "toothbrush": "toothbrushes",
    "wine glass": "wine glasses",
    "sports ball": "sports balls",
    "teddy bear": "teddy bears",
    "dining table": "dining tables",
    "cell phone": "cell phones",
    "tv": "tvs",
    "dog": "dogs",
    "toy": "toys",
    "puppy": "puppies",
    "snow_man": "snow_men",
}

pytestmark = needs_chromium


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
def test_boxes_lie_where_the_json_says(visit: Open, size: ViewportSize) -> None:
    page = visit()
    page.set_viewport_size(size)
    choose(page, HOPPER)
    said = answered(page)
    image = page.locator("#image").bounding_box()
    assert image
    scale = image["width"] / said["image"]["width"]
    assert image["height"] / said["image"]["height"] == pytest.approx(scale, rel=0.01)
    assert len(said["detections"]) == page.locator(".box").count() == 2
    for index, one in enumerate(said["detections"]):
        drawn, box = page.locator(f".box[data-index='{index}'] .edge").bounding_box(), one["box"]
        assert drawn
        line = 13 / 6
        assert drawn["x"] - image["x"] == pytest.approx(box["x_min"] * scale, abs=line)
        assert drawn["y"] - image["y"] == pytest.approx(box["y_min"] * scale, abs=line)
        assert drawn["width"] == pytest.approx((box["x_max"] - box["x_min"]) * scale, abs=2 * line)
        assert drawn["height"] == pytest.approx((box["y_max"] - box["y_min"]) * scale, abs=2 * line)
    assert_nothing_is_cut_off(page)


def test_what_is_seen_is_the_image_with_its_boxes_in_the_colours_of_their_labels(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(encoded(Image.new("RGB", (512, 512), (90, 90, 90)), "PNG"))
    page = visit()
    choose(page, tmp_path / "grey.png")
    seen = Image.open(io.BytesIO(page.locator("#frame").screenshot()))
    scale = seen.width / 512
    edges = {"person": (128 * scale, 300 * scale), "dog": (300 * scale, 400 * scale)}
    colours = {label: pixel(seen, (round(x), round(y))) for label, (x, y) in edges.items()}
    assert colours == {"person": (255, 212, 0), "dog": (53, 224, 255)}
    assert pixel(seen, (round(50 * scale), round(450 * scale))) == (90, 90, 90)


def test_every_label_has_a_colour_of_its_own(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    many = [(number, 0.9, (10.0 * number, 0.0, 10.0 * number + 9, 100.0)) for number in range(40)]
    seed_endpoint.script = lambda _: reply(answer(*many))
    page = visit(labels=",".join(f"label{number}" for number in range(40)))
    choose(page, HOPPER)
    colours = page.locator(".box .edge").evaluate_all("edges => edges.map((one) => one.getAttribute('stroke'))")
    assert len(set(colours)) == 40


def test_a_low_score_is_drawn_faint(visit: Open) -> None:
    page = visit()
    choose(page, HOPPER)
    page.get_by_label("Confidence threshold").fill("0.1")
    strengths = page.locator(".box").evaluate_all(
        "boxes => Object.fromEntries(boxes.map((one) => [one.dataset.index, Number(one.getAttribute('opacity'))]))"
    )
    assert strengths == {"0": 1, "1": 1, "2": pytest.approx(0.58)}


def test_captions_cover_neither_each_other_nor_the_heads_of_people(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    crowd = [(0, 0.9 - number / 100, (90.0 * number, 60.0, 90.0 * number + 120, 480.0)) for number in range(5)]
    seed_endpoint.script = lambda _: reply(answer(*crowd, (0, 0.6, (0.0, 0.0, 512.0, 512.0))))
    page = visit()
    choose(page, HOPPER)
    captions = [area(one) for one in page.locator(".caption:not(.crowded)").all()]
    heads = [
        (x, y, right, y + 0.3 * (bottom - y))
        for x, y, right, bottom in (area(one) for one in page.locator(".box").all())
    ]
    assert len(captions) >= 5
    for index, caption in enumerate(captions):
        assert [other for other in captions[:index] if overlap(caption, other) > 1] == []
        assert sum(overlap(caption, head) for head in heads[:-1]) < 40
    image = area(page.locator("#image"))
    assert all(
        overlap(one, image) == pytest.approx((one[2] - one[0]) * (one[3] - one[1]), rel=0.02) for one in captions
    )


def test_a_box_and_its_row_mark_each_other(visit: Open) -> None:
    page = visit()
    choose(page, HOPPER)
    row, box = page.locator("tr[data-index='1']"), page.locator(".box[data-index='1']")
    row.hover()
    expect(box).to_have_class("box marked")
    expect(page.locator(".marked .edge")).to_have_count(1)
    page.mouse.move(0, 0)
    expect(box).to_have_class("box")
    box.hover()
    expect(row).to_have_class("marked")
    page.locator("tr[data-index='0']").focus()
    expect(page.locator(".box[data-index='0']")).to_have_class("box marked")
    expect(row).not_to_have_class("marked")


def test_it_counts_in_words(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    people = [(0, 0.9, (80.0 * number, 0.0, 80.0 * number + 70, 400.0)) for number in range(6)]
    seed_endpoint.script = lambda _: reply(answer(*people, (1, 0.8, (0.0, 400.0, 50.0, 450.0))))
    page = visit(labels="person,ball")
    choose(page, HOPPER)
    expect(page.get_by_role("status")).to_have_text("6 people, 1 ball")
    expect(page.locator("#facts")).to_contain_text("grace_hopper.jpg · 512 × 600 · ")


def test_plurals_of_cocos_labels_are_english(visit: Open) -> None:
    page = visit()
    plurals = page.evaluate(
        "labels => import('./page/words.js').then(({plural}) => labels.map(plural))", list(COCO_PLURALS)
    )
    assert dict(zip(COCO_PLURALS, plurals, strict=True)) == COCO_PLURALS


def test_threshold_and_labels_filter_without_another_request(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    page = visit()
    choose(page, HOPPER)
    assert shown(page) == ["person 0.98", "dog 0.62"]
    page.get_by_label("Confidence threshold").fill("0.1")
    assert shown(page) == ["person 0.98", "dog 0.62", "person 0.20"]
    expect(page.locator("#film span")).to_have_text("3")
    expect(page.get_by_role("status")).to_have_text("2 people, 1 dog")
    page.get_by_role("checkbox", name="person").uncheck()
    assert shown(page) == ["dog 0.62"]
    expect(page.get_by_role("row")).to_have_count(2)
    assert answered(page)["parameters"] == {"min_score": 0.1, "labels": ["dog"], "max_detections": 100, "tiles": None}
    page.get_by_role("checkbox", name="person").check()
    page.get_by_label("Confidence threshold").fill("0.99")
    expect(page.get_by_role("status")).to_have_text("Nothing found with this filter")
    assert len(seed_endpoint.requests) == 1


def test_the_filter_holds_for_all_images(visit: Open) -> None:
    page = visit()
    choose(page, HOPPER, HOPPER)
    page.get_by_role("checkbox", name="person").uncheck()
    expect(page.locator("#film span")).to_have_text(["1", "1"])
    page.locator("#film button").last.click()
    assert shown(page) == ["dog 0.62"]


def test_it_tells_the_times_of_the_response_and_of_the_round_trip(visit: Open) -> None:
    page = visit()
    choose(page, HOPPER)
    stages = page.locator("#timings dt").all_inner_texts()
    assert stages == [*answered(page)["timing_ms"], "round trip"]
    assert all(text.endswith(" ms") for text in page.locator("#timings dd").all_inner_texts())


def test_it_shows_that_it_works(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    seen, go_on = threading.Event(), threading.Event()

    def slow(_: Any) -> Any:
        seen.set()
        go_on.wait(20)
        return reply(answer(PERSON))

    seed_endpoint.script = slow
    page = visit()
    page.get_by_label("Choose images").set_input_files(HOPPER)
    assert seen.wait(10)
    expect(page.locator("#progress")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Detecting …")
    expect(page.locator("#image")).to_be_visible()
    go_on.set()
    expect(page.get_by_role("status")).to_have_text("1 person")
    expect(page.locator("#progress")).to_be_hidden()


def test_a_problem_is_told_in_its_own_words_and_the_next_image_is_answered(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("just words")
    page = visit()
    with page.expect_response("**/detect*") as response:
        choose(page, tmp_path / "notes.jpg", HOPPER)
    problem, alert = response.value.json(), page.locator("#problem")
    for member in ("title", "detail", "code", "request_id"):
        expect(alert).to_contain_text(problem[member])
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    page.get_by_role("button", name="grace_hopper.jpg").click()
    expect(page.get_by_role("status")).to_have_text("1 person, 1 dog")
    expect(alert).to_be_hidden()


def test_what_may_pass_can_be_tried_again(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    page = visit()
    seed_endpoint.script = lambda _: reply(b"", 503)
    choose(page, HOPPER)
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("The endpoint is not available")
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_have_text("1 person")


def test_a_gateway_that_does_not_answer_is_said_to_be_silent(visit: Open) -> None:
    page = visit()
    page.route("**/detect*", lambda route: route.abort())
    choose(page, HOPPER)
    expect(page.locator("#problem")).to_contain_text("The gateway did not answer")


def test_a_page_that_comes_before_its_gateway_answers_can_try_again(visit: Open) -> None:
    page = visit()
    page.route("**/models", lambda route: route.abort())
    page.reload()
    expect(page.locator("#problem")).to_contain_text("The gateway did not answer")
    choose(page, HOPPER)
    expect(page.locator("#problem")).to_contain_text("The gateway did not answer")
    page.unroute("**/models")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Model: seed")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("1 person, 1 dog")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_detection_keeps_its_colour_in_code_and_image_when_others_are_filtered(
    visit: Open, seed_endpoint: SeedEndpoint
) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON, DOG))
    page = visit()
    choose(page, HOPPER)
    page.get_by_role("checkbox", name="person").uncheck()
    assert page.locator(".box .edge").get_attribute("stroke") == "#35e0ff"
    assert "labels=dog" in code(page, "curl")
    done(page)
