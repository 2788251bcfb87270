"""Chromium without a window, which can reach nothing but this machine; and axe-core, which judges what it shows."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import ROOT

AXE = ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ONLY_LOOPBACK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
WEBCAM = "--use-fake-device-for-media-stream"  # a test pattern; a page sees it where it has the permission
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", ONLY_LOOPBACK, WEBCAM]

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: scripts/test installs it with npm")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser; while it runs, its thread has an event loop, so no other test may need one meanwhile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
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


def violations(page: Page) -> list[str]:
    """What axe-core has against the page as it is now: rule and place."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then(({violations}) => violations)")
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]
