"""The webcam, with Chromium's test pattern for a camera."""

import threading
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.api.browsing import needs_axe, needs_chromium, violations
from tests.api.page.seeing import PERSON, Open, answered, done, shown
from tests.seed_endpoint import SeedEndpoint, answer, reply

# In one step, since the boxes are drawn anew with each frame.
PERSONS_EDGE = """() => {
    const box = document.querySelector(".box[data-index='0'] .edge");
    const [seen, edge] = [video, box].map((one) => one.getBoundingClientRect());
    return (edge.left - seen.left) / seen.width;
}"""

pytestmark = needs_chromium


@pytest.fixture
def camera(context: BrowserContext) -> None:
    context.grant_permissions(["camera"])


@pytest.mark.usefixtures("camera")
def test_the_webcam_is_answered_live_and_its_last_frame_stays(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    page = visit()
    page.get_by_role("button", name="Webcam").click()
    expect(page.locator("#rate")).to_contain_text("frames/s", timeout=20_000)
    expect(page.locator("#video")).to_be_visible()
    assert shown(page) == ["person 0.98", "dog 0.62"]
    assert page.evaluate(PERSONS_EDGE) == pytest.approx(128 / 512, abs=0.01)
    page.get_by_role("button", name="Stop webcam").click()
    done(page)
    expect(page.locator("#video")).to_be_hidden()
    expect(page.locator("#facts")).to_contain_text("webcam-1.jpg")
    assert page.evaluate("video.srcObject.getTracks().every((track) => track.readyState === 'ended')")
    assert answered(page)["count"] == 2
    before = len(seed_endpoint.requests)
    page.get_by_role("tab", name="curl").click()
    assert len(seed_endpoint.requests) == before, "nothing is sent any more"


@pytest.mark.usefixtures("camera")
def test_one_frame_is_on_its_way_at_a_time(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    lock, most, inside = threading.Lock(), 0, 0
    several = threading.Semaphore(0)

    def counted(_: Any) -> Any:
        nonlocal most, inside
        with lock:
            inside += 1
            most = max(most, inside)
        several.release()
        with lock:
            inside -= 1
        return reply(answer(PERSON))

    seed_endpoint.script = counted
    page = visit()
    page.get_by_role("button", name="Webcam").click()
    for _ in range(5):
        page.wait_for_timeout(100)
        assert several.acquire(timeout=20)
    assert most == 1
    page.get_by_role("button", name="Stop webcam").click()


@pytest.mark.usefixtures("camera")
def test_the_filter_works_on_live_frames(visit: Open) -> None:
    page = visit()
    page.get_by_role("button", name="Webcam").click()
    expect(page.get_by_role("status")).to_have_text("1 person, 1 dog", timeout=20_000)
    page.get_by_role("checkbox", name="person").uncheck()
    expect(page.get_by_role("status")).to_have_text("1 dog")
    assert page.get_by_role("status").get_attribute("aria-live") == "off", "a reader is not flooded"


@pytest.mark.usefixtures("camera")
def test_a_busy_gateway_is_waited_for_and_a_lasting_problem_ends_it(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    replies = [reply(answer(PERSON)), reply(b"", 503), reply(answer(PERSON))]
    seed_endpoint.script = lambda _: replies.pop(0) if replies else reply({"shape": []})
    page = visit()
    page.get_by_role("button", name="Webcam").click()
    expect(page.locator("#problem")).to_be_visible(timeout=20_000)
    assert replies == []
    expect(page.get_by_role("button", name="Webcam", exact=True)).to_be_visible()


def test_a_webcam_that_is_not_allowed_is_said_to_be_blocked(visit: Open) -> None:
    page = visit()
    page.get_by_role("button", name="Webcam").click()
    expect(page.locator("#problem")).to_contain_text("The webcam is blocked")


@needs_axe
@pytest.mark.usefixtures("camera")
def test_axe_finds_nothing_against_the_webcam(visit: Open) -> None:
    page = visit()
    page.get_by_role("button", name="Webcam").click()
    expect(page.locator("#rate")).to_be_visible(timeout=20_000)
    assert violations(page) == []
