"""The try-it page of a gateway in Chromium; its endpoint finds a person, a dog, and faintly one more person."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.api.browsing import chromium
from tests.api.conftest import Start, send_boto3_to
from tests.api.gateway import gateway
from tests.api.page.seeing import DOG, FAINT, LABELS, PERSON, WIDE, Open
from tests.seed_endpoint import SeedEndpoint, answer, reply


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=WIDE)
    yield context
    context.close()


@pytest.fixture(scope="module")
def shared_endpoint() -> Iterator[SeedEndpoint]:
    with SeedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def shared_gateway(shared_endpoint: SeedEndpoint) -> Iterator[httpx2.Client]:
    """The gateway of all tests that need no settings of their own."""
    with pytest.MonkeyPatch.context() as environment:
        send_boto3_to(shared_endpoint, environment)
        with gateway(endpoint_name="seed", labels=LABELS) as client:
            yield client


@pytest.fixture
def seed_endpoint(shared_endpoint: SeedEndpoint) -> SeedEndpoint:
    shared_endpoint.requests.clear()
    shared_endpoint.scripts = {}
    shared_endpoint.script = lambda _: reply(answer(PERSON, DOG, FAINT))
    return shared_endpoint


@pytest.fixture
def visit(context: BrowserContext, shared_gateway: httpx2.Client, start: Start) -> Open:
    """Opens the page, of a gateway with these settings where there are any."""

    def visit(prefix: str = "", **options: Any) -> Page:
        own = prefix or options
        client = start(**{"labels": LABELS, "root_path": prefix, **options}) if own else shared_gateway
        here = str(client.base_url).rstrip("/")
        page = context.new_page()
        if prefix:
            page.route(f"{here}{prefix}/**", strip(prefix))
        page.goto(f"{here}{prefix}/")
        expect(page.locator("#about:visible, #door:visible")).to_have_count(1)
        return page

    return visit


def strip(prefix: str) -> Callable[[Route], None]:
    """What a proxy does that mounts the gateway under a path and lets nothing else through."""
    return lambda route: route.continue_(url=route.request.url.replace(prefix, "", 1))
