"""Swagger UI and the try-it page in a real browser that can reach nothing but this machine."""

import shutil
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import ROOT
from tests.seed_endpoint import SeedEndpoint, answer, reply

HOPPER = ROOT / "docs" / "pictures" / "grace_hopper.jpg"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ONLY_LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", ONLY_LOOPBACK]
PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture
def page(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> Iterator[Page]:
    """A blank page of a gateway whose endpoint finds one person."""
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(base_url=str(client.base_url))
        yield page
        browser.close()


def asked_for(page: Page) -> list[str]:
    """From now on, every address that the page asks for."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    return addresses


def assert_stayed_here(addresses: list[str], page: Page) -> None:
    here = page.url.split("/")[2]
    assert addresses
    assert [one for one in addresses if not one.startswith(("data:", "blob:", f"http://{here}/"))] == []


def test_swagger_ui_uploads_a_file_and_shows_the_boxes(page: Page) -> None:
    addresses = asked_for(page)
    page.goto("/docs")
    page.get_by_text("Find the objects in a picture").click()
    page.locator("input[type=file]").set_input_files(HOPPER)
    page.get_by_role("button", name="Execute").click()
    shown = page.locator(".live-responses-table td.response-col_description:not(.col_header)").first
    expect(shown).to_contain_text('"label": "person"', timeout=10_000)
    expect(shown).to_contain_text('"x_min": 128')
    assert_stayed_here(addresses, page)


def test_redoc_draws_where_no_other_host_can_be_reached(page: Page) -> None:
    page.goto("/redoc")
    expect(page.get_by_role("heading", name="Find the objects in a picture")).to_be_visible(timeout=10_000)


def test_the_try_it_page_draws_the_boxes_where_the_answer_says(page: Page) -> None:
    addresses = asked_for(page)
    page.goto("/")
    page.get_by_label("Picture", exact=True).set_input_files(HOPPER)
    expect(page.locator("#status")).to_contain_text("1 of 1 boxes")
    expect(page.get_by_role("row").nth(1)).to_contain_text("0.981")
    read = "([x, y]) => [...document.getElementById('drawing').getContext('2d').getImageData(x, y, 1, 1).data]"
    edge, colour = page.evaluate(read, [128, 400]), [255, 212, 0, 255]
    assert edge == colour, "the left edge of the box, in picture pixels"
    assert page.evaluate(read, [300, 590]) != colour
    assert_stayed_here(addresses, page)


def test_the_slider_hides_boxes_without_asking_again(page: Page, seed_endpoint: SeedEndpoint) -> None:
    page.goto("/")
    page.get_by_label("Picture", exact=True).set_input_files(HOPPER)
    expect(page.locator("#status")).to_contain_text("1 of 1 boxes")
    page.get_by_label("Least score").fill("0.99")
    expect(page.locator("#status")).to_contain_text("0 of 1 boxes")
    assert len(seed_endpoint.requests) == 1


def test_an_error_is_told_in_the_problems_own_words(page: Page, tmp_path: Any) -> None:
    (tmp_path / "notes.jpg").write_text("just words")
    page.goto("/")
    page.get_by_label("Picture", exact=True).set_input_files(tmp_path / "notes.jpg")
    expect(page.locator("#status")).to_contain_text("This picture format is not supported")
