"""What the page's tests do on it and read from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, ViewportSize, expect

LABELS = "person,dog"
PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))
DOG = (1, 0.62, (300.0, 200.0, 512.0, 512.0))
FAINT = (0, 0.2, (0.0, 0.0, 100.0, 100.0))
NARROW, WIDE = ViewportSize(width=360, height=740), ViewportSize(width=1600, height=1000)

Open = Callable[..., Page]


def choose(page: Page, *images: Path) -> None:
    """Add these files, and wait until each has a result or a problem."""
    page.get_by_label("Choose images").set_input_files(images)
    done(page)


def done(page: Page) -> None:
    expect(page.locator("#film li").filter(has_text="…")).to_have_count(0)
    expect(page.locator("#progress")).to_be_hidden()


def shown(page: Page) -> list[str]:
    """The captions, the highest score first: it is drawn last, on top."""
    return page.locator("#overlay .caption").all_text_contents()[::-1]


def code(page: Page, language: str) -> str:
    page.get_by_role("tab", name=language, exact=True).click()
    return page.locator("#code").text_content() or ""


def answered(page: Page) -> dict[str, Any]:
    """The JSON that the page shows."""
    answer: dict[str, Any] = json.loads(code(page, "JSON"))
    return answer


def area(element: Locator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in CSS pixels of the window."""
    box = element.bounding_box()
    assert box, "it can be seen"
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def assert_nothing_is_cut_off(page: Page) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
