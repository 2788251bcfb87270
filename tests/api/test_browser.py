"""Swagger UI and ReDoc in a real browser that can reach nothing but this machine."""

import io
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.api.browsing import asked_for, assert_stayed_here, chromium, needs_chromium
from tests.example_images import HOPPER, pixel
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, client: httpx2.Client, seed_endpoint: SeedEndpoint) -> Iterator[Page]:
    """A blank page of a gateway whose endpoint finds one person."""
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    page = browser.new_page(base_url=str(client.base_url))
    yield page
    page.close()


def test_swagger_ui_uploads_a_file_and_shows_the_boxes(page: Page) -> None:
    addresses = asked_for(page)
    page.goto("/docs")
    page.get_by_text("Detect objects in an image", exact=True).click()
    page.locator("input[type=file]").set_input_files(HOPPER)
    page.get_by_role("button", name="Execute").click()
    shown = page.locator(".live-responses-table td.response-col_description:not(.col_header)").first
    expect(shown).to_contain_text('"label": "person"', timeout=10_000)
    expect(shown).to_contain_text('"x_min": 128')
    assert_stayed_here(addresses, page)


@pytest.mark.parametrize(("scheme", "dark"), [("dark", True), ("light", False)])
def test_swagger_ui_follows_the_systems_colours(page: Page, scheme: Any, dark: bool) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/docs")
    expect(page.get_by_role("heading", name="Detect Gateway")).to_be_visible(timeout=10_000)
    seen = Image.open(io.BytesIO(page.screenshot()))
    assert (sum(pixel(seen, (5, 300))) < 300) is dark


@pytest.mark.parametrize(("scheme", "dark"), [("dark", True), ("light", False)])
def test_redoc_follows_the_systems_colours(page: Page, scheme: Any, dark: bool) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/redoc")
    expect(page.get_by_role("heading", name="Detect Gateway")).to_be_visible(timeout=10_000)
    seen = Image.open(io.BytesIO(page.screenshot()))
    for menu, text in ((5, 500), (300, 5)):
        assert (sum(pixel(seen, (menu, text))) < 300) is dark


def test_redoc_draws_where_no_other_host_can_be_reached(page: Page) -> None:
    page.goto("/redoc")
    heading = page.get_by_role("heading", name=re.compile("Detect objects in an image$"))
    expect(heading).to_be_visible(timeout=10_000)


def test_swagger_ui_shows_the_annotated_image(page: Page) -> None:
    page.goto("/docs")
    page.get_by_text("Detect objects in an image", exact=True).click()
    page.get_by_label("Media Type").first.select_option("image/webp")
    page.locator("input[type=file]").set_input_files(HOPPER)
    page.get_by_role("button", name="Execute").click()
    shown = page.locator(".live-responses-table img")
    expect(shown).to_be_visible(timeout=10_000)
    page.wait_for_function("image => image.naturalWidth === 512", arg=shown.element_handle())


def test_swagger_ui_shows_a_file_picker_for_each_image_of_a_batch(page: Page) -> None:
    page.goto("/docs")
    page.get_by_text("Detect objects in several images").click()
    pickers = page.locator("input[type=file]")
    expect(pickers).to_have_count(1)
    page.get_by_role("button", name="Add string item").last.click()
    expect(pickers).to_have_count(2)
    for picker in pickers.all():
        picker.set_input_files(HOPPER)
    page.get_by_role("button", name="Execute").click()
    shown = page.locator(".live-responses-table td.response-col_description:not(.col_header)").first
    expect(shown).to_contain_text('"count": 2,', timeout=10_000)
    expect(shown).to_contain_text('"failed": 0')
    expect(shown).to_contain_text('"filename": "grace_hopper.jpg"')
