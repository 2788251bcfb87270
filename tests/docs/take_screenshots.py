"""Makes what docs/ shows from real runs: `scripts/screenshots` takes docs/images anew, and puts shown numbers right."""

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from api.admission.api_keys import new_key
from tests.api.browsing import chromium
from tests.api.page.seeing import choose
from tests.api.processes import Served
from tests.conftest import ROOT
from tests.deploy import notebook
from tests.deploy.cloud import Cloud
from tests.deploy.container import REAL
from tests.deploy.deployment import IMAGE
from tests.docs.blocks import PAGES, is_of_80_classes, typed
from tests.docs.reader import Reader
from tests.docs.shown import renewed

IMAGES = ROOT / "docs" / "images"
COCO = "inference/models/coco"
COFFEE = IMAGES / "people" / "coffee.jpg"
SEVERAL = [IMAGES / "people" / f"{name}.jpg" for name in ("coffee", "astronaut", "photographer", "hopper-half", "cat")]
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
WINDOW: dict[str, Any] = {"viewport": {"width": 800, "height": 330}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "color_scheme": "dark",
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 1.5,
}


def main() -> None:
    """Take all of them."""
    os.environ["DETECT_MODEL_DIR"] = COCO
    served = Served()
    drawn(served)  # the first image takes longer than all others, and times are to be seen
    with chromium() as browser:
        keep(opened(browser, served.url, DESK), "page-start")
        keep(result(browser, served.url, DESK, SEVERAL[0]), "page")
        keep(result(browser, served.url, DESK | {"color_scheme": "dark"}, *SEVERAL), "page-several")
        keep(result(browser, served.url, DESK, Path(__file__)), "page-error")
        keep(webcam(browser, served.url), "page-webcam")
        keep(result(browser, served.url, PHONE, SEVERAL[0]), "phone")
        keep(asking_for_a_key(browser), "key")
    write("annotated.webp", drawn(served))
    served.end()
    with tempfile.TemporaryDirectory() as folder:
        keep_figures(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        renew(Path(folder))


def opened(browser: Browser, url: str, screen: dict[str, Any]) -> Page:
    """The page as it opens."""
    page = browser.new_context(**screen).new_page()
    page.goto(url, wait_until="networkidle")
    return page


def result(browser: Browser, url: str, screen: dict[str, Any], *files: Path) -> Page:
    """The page with the first of these files and what became of it."""
    page = opened(browser, url, screen)
    choose(page, *files)
    return page


def webcam(browser: Browser, url: str) -> Page:
    """The page with live frames of Chromium's test pattern."""
    page = opened(browser, url, DESK | {"permissions": ["camera"]})
    page.get_by_role("button", name="Webcam").click()
    expect(page.locator("#rate")).to_be_visible(timeout=20_000)
    page.wait_for_timeout(3000)  # until the rate is that of some seconds
    return page


def drawn(served: Served) -> bytes:
    """An image as the gateway draws its boxes on it."""
    asked = served.client.post("/detect", files={"image": COFFEE.read_bytes()}, headers={"Accept": "image/webp"})
    return asked.raise_for_status().content


def asking_for_a_key(browser: Browser) -> Page:
    """The page of a gateway that lets nobody in without a key; it is not asked again, so the gateway may end."""
    os.environ["DETECT_API_KEYS"] = new_key("camera")[1]
    served = Served()
    del os.environ["DETECT_API_KEYS"]
    page = browser.new_context(**WINDOW).new_page()
    page.goto(served.url)
    expect(page.get_by_label("API key")).to_be_focused()
    served.end()
    return page


def keep_figures(folder: Path) -> None:
    """What the notebook draws, of an endpoint on this machine."""
    cloud = Cloud()
    cloud.plane.command = REAL
    cells = notebook.run(cloud, folder, CONTAINER=IMAGE, POLL_SECONDS=0.1)
    for name in ("detect", "latency"):
        write_webp(f"notebook-{name}", notebook.drawn(cells[name]))
    cloud.close()


def keep(page: Page, name: str) -> None:
    """What the page shows."""
    write_webp(name, page.screenshot())


def write_webp(name: str, png: bytes) -> None:
    """Put an image in its place as WebP."""
    held = io.BytesIO()
    Image.open(io.BytesIO(png)).save(held, "WEBP", quality=82, method=6)
    write(f"{name}.webp", held.getvalue())


def write(name: str, content: bytes) -> None:
    """Put an image in its place."""
    (IMAGES / name).write_bytes(content)
    sys.stdout.write(f"docs/images/{name}: {len(content) / 1024:.0f} kB\n")


def renew(folder: Path) -> None:
    """Give what the pages show of answers the numbers that come today."""
    cloud = Cloud()
    reader = Reader(folder, cloud)
    for page in PAGES:
        if any(block.shown for block in typed(page)):
            reader.turn_page()
            if is_of_80_classes(page):
                reader.environment["DETECT_MODEL_DIR"] = COCO
            page.write_text(today(page, reader))
    reader.leave()
    cloud.close()


def today(page: Path, reader: Reader) -> str:
    """A page's text with the numbers of today's answers."""
    text = page.read_text()
    for block in typed(page):
        answer = reader.read(block)
        if block.shown:
            text = text.replace(block.shown, renewed(block.shown, answer))
    return text


if __name__ == "__main__":
    main()
