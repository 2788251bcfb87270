"""The try-it page in a real browser: what people see, hear and may do on it."""

import base64
import io
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from api.admission.api_keys import new_key
from tests.api.browsing import (
    asked_for,
    assert_stayed_here,
    chromium,
    needs_axe,
    needs_chromium,
    violations,
)
from tests.api.conftest import Start, send_boto3_to
from tests.api.gateway import gateway
from tests.pictures import HOPPER, encoded, jpeg, pixel, scene
from tests.seed_endpoint import SeedEndpoint, answer, reply

PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))
DOG = (1, 0.62, (300.0, 200.0, 512.0, 512.0))
FAINT = (0, 0.2, (0.0, 0.0, 100.0, 100.0))
KEY, ENTRY = new_key("page")
NARROW, WIDE = ViewportSize(width=360, height=740), ViewportSize(width=1600, height=1000)

pytestmark = needs_chromium

Open = Callable[..., Page]


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
        with gateway(endpoint_name="seed", labels="person,dog") as client:
            yield client


@pytest.fixture
def seed_endpoint(shared_endpoint: SeedEndpoint) -> SeedEndpoint:
    """Finds a person, a dog, and faintly one more."""
    shared_endpoint.requests.clear()
    shared_endpoint.scripts = {}
    shared_endpoint.script = lambda _: reply(answer(PERSON, DOG, FAINT))
    return shared_endpoint


@pytest.fixture
def visit(context: BrowserContext, shared_gateway: httpx2.Client, start: Start) -> Open:
    """Opens the page, of a gateway with these settings where there are any."""

    def visit(prefix: str = "", **options: Any) -> Page:
        own = prefix or options
        client = start(labels="person,dog", root_path=prefix, **options) if own else shared_gateway
        here = str(client.base_url).rstrip("/")
        page = context.new_page()
        if prefix:
            page.route(f"{here}{prefix}/**", strip(prefix))
        page.goto(f"{here}{prefix}/")
        expect(page.locator("#model, #door-says").filter(has_text=" ")).not_to_have_count(0)
        return page

    return visit


def strip(prefix: str) -> Callable[[Route], None]:
    """What a proxy does that mounts the gateway under a path and lets nothing else through."""
    return lambda route: route.continue_(url=route.request.url.replace(prefix, "", 1))


def choose(page: Page, *pictures: Path) -> None:
    page.get_by_label("Choose pictures").set_input_files(pictures)
    expect(page.locator("#film button").last).not_to_contain_text("…")


def shown(page: Page) -> list[str]:
    """The captions, the best first: that one lies on top."""
    return page.locator(".box").all_inner_texts()[::-1]


def transfer(name: str, data: bytes) -> str:
    """JavaScript for a DataTransfer that holds one file."""
    content = base64.b64encode(data).decode()
    return f"""(() => {{
        const held = new DataTransfer();
        const bytes = Uint8Array.from(atob("{content}"), (one) => one.charCodeAt(0));
        held.items.add(new File([bytes], "{name}"));
        return held;
    }})()"""


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
def test_boxes_lie_where_the_json_says(visit: Open, size: ViewportSize) -> None:
    page = visit()
    page.set_viewport_size(size)
    choose(page, HOPPER)
    picture = page.locator("#shown").bounding_box()
    said = json.loads(page.locator("#json").inner_text())
    assert picture
    assert len(said["detections"]) == page.locator(".box").count() == 2
    scale = picture["width"] / said["image"]["width"]
    assert picture["height"] / said["image"]["height"] == pytest.approx(scale, rel=0.01)
    for one, element in zip(said["detections"], reversed(page.locator(".box").all()), strict=True):
        drawn, box = element.bounding_box(), one["box"]
        assert drawn
        assert drawn["x"] - picture["x"] == pytest.approx(box["x_min"] * scale, abs=1)
        assert drawn["y"] - picture["y"] == pytest.approx(box["y_min"] * scale, abs=1)
        assert drawn["width"] == pytest.approx((box["x_max"] - box["x_min"]) * scale, abs=1)
        assert drawn["height"] == pytest.approx((box["y_max"] - box["y_min"]) * scale, abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], "nothing is cut off"


def test_what_is_seen_is_the_picture_with_its_boxes_in_colours_of_their_class(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(encoded(Image.new("RGB", (512, 512), (90, 90, 90)), "PNG"))
    page = visit()
    choose(page, tmp_path / "grey.png")
    seen = Image.open(io.BytesIO(page.locator("#stage").screenshot()))
    scale = seen.width / 512
    edges = {"person": (128 * scale + 1, 300 * scale), "dog": (300 * scale + 1, 400 * scale)}
    colours = {label: pixel(seen, (round(x), round(y))) for label, (x, y) in edges.items()}
    assert colours == {"person": (255, 212, 0), "dog": (53, 224, 255)}
    assert pixel(seen, (round(50 * scale), round(450 * scale))) == (90, 90, 90)


def test_a_photograph_that_lies_on_its_side_stands_upright_under_its_boxes(visit: Open, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "phone.jpg").write_bytes(encoded(scene(400, 200), exif=exif))
    page = visit()
    choose(page, tmp_path / "phone.jpg")
    image = json.loads(page.locator("#json").inner_text())["image"]
    assert (image["width"], image["height"]) == (200, 400)
    assert page.evaluate("[shown.naturalWidth, shown.naturalHeight]") == [200, 400]


def test_slider_and_labels_filter_without_asking_again(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    page = visit()
    choose(page, HOPPER)
    assert shown(page) == ["person 0.98", "dog 0.62"]
    page.get_by_label("Least score").fill("0.1")
    assert shown(page) == ["person 0.98", "dog 0.62", "person 0.20"]
    expect(page.locator("#film button")).to_have_text(["3"])
    page.get_by_label("person", exact=True).uncheck()
    assert shown(page) == ["dog 0.62"]
    expect(page.get_by_role("row")).to_have_count(2)
    assert json.loads(page.locator("#json").inner_text())["parameters"]["labels"] == ["dog"]
    page.get_by_label("Least score").fill("0.99")
    expect(page.get_by_role("status")).to_have_text("grace_hopper.jpg: 0 of 3 boxes")
    assert len(seed_endpoint.requests) == 1


def test_it_tells_the_times_of_the_answer_and_of_the_way_there_and_back(visit: Open) -> None:
    page = visit()
    choose(page, HOPPER)
    spent = dict(
        zip(page.locator("dt").all_inner_texts(), map(float, page.locator("dd").all_inner_texts()), strict=True)
    )
    said = json.loads(page.locator("#json").inner_text())["timing_ms"]
    assert {stage: spent[stage] for stage in said} == pytest.approx(said, abs=0.05)
    assert spent["there and back"] >= spent["total"]


@pytest.mark.usefixtures("seed_endpoint")
def test_a_phone_offers_its_camera_and_a_desk_does_not(browser: Browser, shared_gateway: httpx2.Client) -> None:
    for touched in (True, False):
        context = browser.new_context(viewport=NARROW, has_touch=touched, is_mobile=touched)
        page = context.new_page()
        page.goto(str(shared_gateway.base_url))
        camera = page.get_by_label("Take a photograph")
        expect(page.get_by_text("Take a photograph")).to_be_visible(visible=touched)
        assert camera.get_attribute("capture") == "environment"
        if touched:
            camera.set_input_files(HOPPER)
            expect(page.get_by_role("status")).to_have_text("grace_hopper.jpg: 2 of 3 boxes")
        context.close()


@pytest.mark.parametrize("ratio", [0.4, 1, 3])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
def test_a_picture_of_any_shape_is_seen_whole_with_nothing_cut_off(
    visit: Open, tmp_path: Path, size: ViewportSize, ratio: float
) -> None:
    (tmp_path / "shape.jpg").write_bytes(jpeg(round(600 * ratio), 600))
    page = visit()
    page.set_viewport_size(size)
    choose(page, tmp_path / "shape.jpg")
    picture, table = page.locator("#shown").bounding_box(), page.locator("#table").bounding_box()
    assert picture
    assert table
    assert picture["width"] / picture["height"] == pytest.approx(ratio, rel=0.02)
    assert picture["y"] + picture["height"] <= size["height"] + (0 if size is WIDE else 200), "above the fold of a desk"
    assert table["x"] + table["width"] <= size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_an_error_is_told_in_the_problems_own_words_and_the_next_picture_is_welcome(
    visit: Open, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("just words")
    page = visit()
    choose(page, tmp_path / "notes.jpg", HOPPER)
    status = page.get_by_role("status")
    expect(status).to_contain_text("This picture format is not supported. This is no picture that we know; taken are")
    expect(status).to_contain_text("unsupported-picture-format")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    page.get_by_role("button", name="grace_hopper.jpg").click()
    expect(status).to_have_text("grace_hopper.jpg: 2 of 3 boxes")


def test_what_may_pass_can_be_tried_again(visit: Open, seed_endpoint: SeedEndpoint) -> None:
    page = visit()
    seed_endpoint.script = lambda _: reply(b"", 503)
    choose(page, HOPPER)
    expect(page.get_by_role("status")).to_contain_text("The endpoint is not available")
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_have_text("grace_hopper.jpg: 1 of 1 boxes")


def test_a_gateway_that_is_gone_is_said_to_be(visit: Open) -> None:
    page = visit()
    page.route("**/detect*", lambda route: route.abort())
    choose(page, HOPPER)
    expect(page.get_by_role("status")).to_contain_text("The gateway did not answer")


def test_several_pictures_are_asked_about_one_after_the_other_and_kept(
    visit: Open, tmp_path: Path, seed_endpoint: SeedEndpoint
) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(jpeg(200 + 100 * number, 200))
    page = visit()
    choose(page, *files)
    expect(page.locator("#film button")).to_have_text(["2", "2", "2"])
    for number in (2, 0):
        page.get_by_role("button", name=f"{number}.jpg").click()
        assert json.loads(page.locator("#json").inner_text())["image"]["width"] == 200 + 100 * number
    assert len(seed_endpoint.requests) == 3


def test_a_picture_can_be_pasted_or_dropped(visit: Open) -> None:
    page = visit()
    for number, (event, field) in enumerate([("ClipboardEvent", "clipboardData"), ("DragEvent", "dataTransfer")]):
        kind = "paste" if event == "ClipboardEvent" else "drop"
        held = transfer(f"{kind}.jpg", jpeg())
        page.evaluate(f"document.body.dispatchEvent(new {event}('{kind}', {{{field}: {held}, bubbles: true}}))")
        expect(page.get_by_role("status")).to_have_text(f"{kind}.jpg: 2 of 3 boxes")
        expect(page.locator("#film button")).to_have_count(number + 1)


def test_the_keyboard_is_enough(visit: Open) -> None:
    page = visit()
    while page.evaluate("document.activeElement.id") != "picture":
        page.keyboard.press("Tab")
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Space")
    chosen.value.set_files([HOPPER, HOPPER])
    expect(page.locator("#film button")).to_have_text(["2", "2"])
    while page.evaluate("document.activeElement.id") != "score":
        page.keyboard.press("Tab")
    page.keyboard.press("Home")
    expect(page.locator("#score-now")).to_have_text("0.01")
    assert len(shown(page)) == 3


def test_the_key_is_asked_for_and_kept_in_memory_only(visit: Open, context: BrowserContext) -> None:
    page = visit(api_keys=ENTRY)
    field = page.get_by_label("API key")
    expect(page.locator("#door-says")).to_have_text("An API key is needed.")
    expect(field).to_be_focused()
    page.get_by_label("Choose pictures").set_input_files(HOPPER)
    field.fill("dg_wrong")
    field.press("Enter")
    expect(page.locator("#door-says")).to_contain_text("This API key is not accepted")
    field.fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_role("status")).to_have_text("grace_hopper.jpg: 2 of 3 boxes")
    expect(field).to_be_hidden()
    assert KEY not in page.content()
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert context.cookies() == []
    page.reload()
    expect(field).to_be_visible()


@pytest.mark.parametrize("prefix", ["", "/vision"])
def test_the_command_it_shows_gives_the_json_it_shows(visit: Open, tmp_path: Path, prefix: str) -> None:
    name = """it's "mine"; $HOME, a\\b.jpg"""
    (tmp_path / name).write_bytes(jpeg())
    page = visit(prefix)
    choose(page, tmp_path / name)
    page.get_by_label("person", exact=True).uncheck()
    command = page.locator("#curl").inner_text()
    assert f"{prefix}/detect?" in command
    answered = subprocess.run(
        command.replace(f"{prefix}/detect", "/detect"), shell=True, cwd=tmp_path, capture_output=True, check=True
    )
    there, here = json.loads(answered.stdout), json.loads(page.locator("#json").inner_text())
    for member in ("detections", "count", "image", "parameters"):
        assert there[member] == here[member]


def test_with_a_key_the_command_names_it_and_does_not_show_it(visit: Open, tmp_path: Path) -> None:
    page = visit(api_keys=ENTRY)
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("API key").press("Enter")
    choose(page, HOPPER)
    command = page.locator("#curl").inner_text()
    assert KEY not in command
    environment = {"DETECT_API_KEY": KEY, "PATH": "/usr/bin:/bin"}
    answered = subprocess.run(command, shell=True, cwd=HOPPER.parent, env=environment, capture_output=True, check=True)
    assert json.loads(answered.stdout)["count"] == 2


@pytest.mark.parametrize("secure", [True, False])
def test_json_and_command_can_be_copied_with_and_without_tls(
    visit: Open, context: BrowserContext, secure: bool
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not secure:
        context.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page = visit()
    choose(page, HOPPER)
    for button, source in (("Copy the JSON", "#json"), ("Copy the command", "#curl")):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("status")).to_have_text("Copied.")
        page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), {id: 'target'}))")
        page.locator("#target").focus()
        page.keyboard.press("Control+V")
        assert page.locator("#target").input_value() == page.locator(source).text_content()
        page.evaluate("target.remove()")


@pytest.mark.parametrize("prefix", ["", "/vision"])
def test_under_a_strict_policy_and_a_prefix_everything_loads_from_here(
    visit: Open, prefix: str, shared_gateway: httpx2.Client
) -> None:
    policy = shared_gateway.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    page = visit(prefix)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    addresses = asked_for(page)
    page.reload()
    choose(page, HOPPER)
    assert shown(page) == ["person 0.98", "dog 0.62"]
    assert complaints == []
    assert_stayed_here(addresses, page)
    paths = [httpx2.URL(one).path for one in addresses if not one.startswith("blob:")]
    assert [path for path in paths if not path.startswith(f"{prefix}/")] == []
    follow = "links => Promise.all(links.map((link) => fetch(link.href).then((answer) => answer.ok)))"
    assert page.locator("nav a").evaluate_all(follow) == [True, True, True]


def test_one_model_needs_no_choice(visit: Open) -> None:
    expect(visit().get_by_label("Model")).to_be_hidden()


@pytest.fixture
def two_models(context: BrowserContext, start: Start, seed_endpoint: SeedEndpoint) -> Page:
    """The page of a gateway with two models, the second of which finds cats at a lower score."""
    seed_endpoint.scripts = {"cats-prod": lambda _: reply(answer((0, 0.35, (100.0, 100.0, 400.0, 400.0))))}
    cats = {"endpoint_name": "cats-prod", "labels": ["cat"], "min_score": 0.3}
    models = {"people": {"endpoint_name": "seed", "labels": ["person", "dog"]}, "cats": cats}
    page = context.new_page()
    page.goto(str(start(endpoint_name=None, endpoints=json.dumps(models)).base_url))
    expect(page.locator("#model")).to_contain_text("people")
    return page


def test_a_model_can_be_chosen_and_is_asked_about_the_picture_that_is_shown(two_models: Page) -> None:
    page = two_models
    choose(page, HOPPER)
    assert shown(page) == ["person 0.98", "dog 0.62"]
    assert "model=" not in page.locator("#curl").inner_text()
    page.get_by_label("Model").select_option("cats")
    expect(page.get_by_role("status")).to_have_text("grace_hopper.jpg: 1 of 1 boxes")
    assert shown(page) == ["cat 0.35"], "at the model's own least score"
    expect(page.locator("#model")).to_contain_text("cats")
    answered = subprocess.run(
        page.locator("#curl").inner_text(), shell=True, cwd=HOPPER.parent, capture_output=True, check=True
    )
    assert json.loads(answered.stdout)["model"]["name"] == "cats"


def test_the_choice_of_a_model_counts_for_a_picture_that_is_being_looked_at(
    two_models: Page, seed_endpoint: SeedEndpoint
) -> None:
    seen, go_on = threading.Event(), threading.Event()

    def slow(_: Any) -> Any:
        seen.set()
        go_on.wait(20)
        return reply(answer(PERSON))

    seed_endpoint.scripts["seed"] = slow
    two_models.get_by_label("Choose pictures").set_input_files(HOPPER)
    assert seen.wait(10)
    two_models.get_by_label("Model").select_option("cats")
    go_on.set()
    expect(two_models.get_by_role("status")).to_have_text("grace_hopper.jpg: 1 of 1 boxes")
    assert shown(two_models) == ["cat 0.35"]


@needs_axe
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
def test_axe_finds_nothing_against_the_choice_of_a_model(two_models: Page, size: ViewportSize) -> None:
    two_models.set_viewport_size(size)
    assert violations(two_models) == []
    assert two_models.evaluate("document.documentElement.scrollWidth") <= size["width"]


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
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
    assert violations(page) == [], "a result"
