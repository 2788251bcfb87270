"""What stands where, on a desk and on a phone, and what can be done without a mouse."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from api.admission.api_keys import new_key
from tests.api.browsing import needs_axe, needs_chromium, violations
from tests.api.page.seeing import NARROW, WIDE, Open, area, assert_nothing_is_cut_off, choose, done, shown
from tests.example_images import HOPPER, jpeg
from tests.seed_endpoint import SeedEndpoint

KEY, ENTRY = new_key("page")

pytestmark = needs_chromium
both_sizes = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])


@pytest.fixture
def phone(browser: Browser, shared_gateway: httpx2.Client, seed_endpoint: SeedEndpoint) -> Any:
    context = browser.new_context(viewport=NARROW, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(str(shared_gateway.base_url))
    yield page
    context.close()


def test_on_a_desk_the_image_takes_most_of_the_window_and_the_panel_stands_beside_it(
    visit: Open, tmp_path: Path
) -> None:
    (tmp_path / "wide.jpg").write_bytes(jpeg(1200, 860))
    page = visit()
    choose(page, tmp_path / "wide.jpg")
    left, top, right, bottom = area(page.locator("#image"))
    panel = area(page.locator("#panel"))
    assert (right - left) * (bottom - top) > WIDE["width"] * WIDE["height"] / 2
    assert right <= panel[0]
    assert panel[1] < top < bottom <= panel[3] <= WIDE["height"]


def test_on_a_phone_the_image_follows_right_after_the_buttons(phone: Page) -> None:
    choose(phone, HOPPER)
    assert 0 <= area(phone.locator("#stage"))[1] - area(phone.locator("#sources"))[3] <= 16
    assert area(phone.locator("#image"))[3] < NARROW["height"]
    assert_nothing_is_cut_off(phone)


def test_a_phone_offers_its_camera_and_says_nothing_of_dropping(phone: Page) -> None:
    expect(phone.get_by_text("Photo", exact=True)).to_be_visible()
    camera = phone.get_by_label("Photo", exact=True)
    assert camera.get_attribute("capture") == "environment"
    assert "drop" not in phone.locator("body").inner_text().lower()
    camera.set_input_files(HOPPER)
    done(phone)
    expect(phone.get_by_role("status")).to_have_text("1 person, 1 dog")


def test_a_desk_offers_dropping_and_no_camera(visit: Open) -> None:
    page = visit()
    expect(page.get_by_text("drop images anywhere")).to_be_visible()
    expect(page.get_by_text("Photo", exact=True)).to_be_hidden()


@pytest.mark.parametrize("ratio", [0.4, 1, 3])
@both_sizes
def test_an_image_of_any_shape_is_seen_whole_with_nothing_cut_off(
    visit: Open, tmp_path: Path, size: ViewportSize, ratio: float
) -> None:
    (tmp_path / "shape.jpg").write_bytes(jpeg(round(600 * ratio), 600))
    page = visit()
    page.set_viewport_size(size)
    choose(page, tmp_path / "shape.jpg")
    left, top, right, bottom = area(page.locator("#image"))
    assert (right - left) / (bottom - top) == pytest.approx(ratio, rel=0.02)
    assert bottom <= size["height"]
    assert area(page.locator("#table"))[2] <= size["width"]
    assert_nothing_is_cut_off(page)


def test_the_keyboard_is_enough(visit: Open) -> None:
    page = visit()

    def tab_to(identity: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id || document.activeElement.dataset.index") == identity:
                return
        raise AssertionError(f"the Tab key never comes to {identity}")

    expect(page.locator("#about")).to_be_visible()  # the models are known, and the page stays as it is
    tab_to("files")
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Space")
    chosen.value.set_files([HOPPER, HOPPER])
    done(page)
    tab_to("stage")
    page.keyboard.press("+")
    expect(page.locator("#zoom-fit")).to_have_text("150 %")
    page.keyboard.press("0")
    expect(page.locator("#zoom-fit")).to_have_text("Fit")
    tab_to("score")
    page.keyboard.press("Home")
    expect(page.locator("#score-now")).to_have_text("0.01")
    assert len(shown(page)) == 3
    tab_to("0")
    page.keyboard.press("ArrowDown")
    expect(page.locator("tr.marked")).to_contain_text("dog")
    tab_to("tab-curl")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#code")).to_contain_text("import requests")


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@both_sizes
def test_axe_finds_nothing_in_any_state(visit: Open, tmp_path: Path, size: ViewportSize, scheme: Any) -> None:
    (tmp_path / "notes.jpg").write_text("just words")
    page = visit(api_keys=ENTRY)
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    assert violations(page) == [], "asking for a key"
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("API key").press("Enter")
    expect(page.locator("#door")).to_be_hidden()
    assert violations(page) == [], "empty"
    choose(page, tmp_path / "notes.jpg", HOPPER)
    assert violations(page) == [], "an error"
    page.get_by_role("button", name="grace_hopper.jpg").click()
    expect(page.locator("#details")).to_be_visible()
    assert violations(page) == [], "a result"
    page.get_by_label("Confidence threshold").fill("0.01")
    assert violations(page) == [], "faint detections"
    page.get_by_role("button", name="Zoom in").click()
    assert violations(page) == [], "zoomed"
    page.get_by_role("button", name="Model: seed").click()
    assert violations(page) == [], "the model card"
    assert_nothing_is_cut_off(page)
