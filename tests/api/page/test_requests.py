"""What the page sends and loads, the code that it shows for it, keys and models."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from shutil import which
from typing import Any

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from api.admission.api_keys import new_key
from tests.api.browsing import asked_for, assert_stayed_here, needs_axe, needs_chromium, violations
from tests.api.conftest import Start
from tests.api.page.seeing import (
    NARROW,
    PERSON,
    WIDE,
    Open,
    answered,
    assert_nothing_is_cut_off,
    choose,
    code,
    done,
    shown,
)
from tests.example_images import HOPPER, jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply

KEY, ENTRY = new_key("page")
ODD_NAME = """it's "mine"; $HOME, a\\b.jpg"""

pytestmark = needs_chromium
needs_node = pytest.mark.skipif(which("node") is None, reason="Node.js is not installed")


def run(command: list[str] | str, folder: Path, **environment: str) -> str:
    """What the command prints."""
    allowed = {"PATH": "/usr/bin:/bin", **environment}
    ran = subprocess.run(
        command, shell=isinstance(command, str), cwd=folder, env=allowed, capture_output=True, text=True, check=True
    )
    return ran.stdout


def printed(page: Page, shows: str) -> list[str]:
    """What a program of the page has to print: label, score, and something of the box."""
    found = answered(page)["detections"]
    assert found, shows
    return [f"{one['label']} {one['score']}" for one in found]


@pytest.mark.parametrize("prefix", ["", "/vision"])
def test_the_curl_command_gives_the_json_that_is_shown(visit: Open, tmp_path: Path, prefix: str) -> None:
    (tmp_path / ODD_NAME).write_bytes(jpeg())
    page = visit(prefix)
    choose(page, tmp_path / ODD_NAME)
    page.get_by_role("checkbox", name="person").uncheck()
    command = code(page, "curl")
    assert f"{prefix}/detect?" in command
    there, here = json.loads(run(command.replace(f"{prefix}/detect", "/detect"), tmp_path)), answered(page)
    for member in ("detections", "count", "image", "parameters"):
        assert there[member] == here[member]


def test_the_python_code_prints_what_is_shown(visit: Open, tmp_path: Path) -> None:
    (tmp_path / ODD_NAME).write_bytes(jpeg())
    page = visit()
    choose(page, tmp_path / ODD_NAME)
    page.get_by_label("Confidence threshold").fill("0.15")
    lines = run([sys.executable, "-c", code(page, "Python")], tmp_path).splitlines()
    assert [line.split(" {")[0] for line in lines] == printed(page, "Python")


@needs_node
def test_the_javascript_code_prints_what_is_shown(visit: Open, tmp_path: Path) -> None:
    (tmp_path / ODD_NAME).write_bytes(jpeg())
    page = visit()
    choose(page, tmp_path / ODD_NAME)
    page.get_by_role("checkbox", name="dog").uncheck()
    (tmp_path / "shown.mjs").write_text(code(page, "JavaScript"))
    output = run(["node", "--no-warnings", "shown.mjs"], tmp_path)
    assert output.startswith(printed(page, "JavaScript")[0])
    assert "dog" not in output


@needs_node
def test_with_a_key_the_code_names_it_and_does_not_show_it(visit: Open, tmp_path: Path) -> None:
    page = visit(api_keys=ENTRY)
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("API key").press("Enter")
    choose(page, HOPPER)
    (tmp_path / "shown.mjs").write_text(code(page, "JavaScript"))
    programs: dict[str, list[str] | str] = {
        "curl": code(page, "curl"),
        "Python": [sys.executable, "-c", code(page, "Python")],
        "JavaScript": ["node", "--no-warnings", str(tmp_path / "shown.mjs")],
    }
    for language, program in programs.items():
        assert KEY not in code(page, language)
        assert "dog" in run(program, HOPPER.parent, DETECT_API_KEY=KEY)


@pytest.mark.parametrize("secure", [True, False])
def test_the_code_can_be_copied_with_and_without_tls(visit: Open, context: BrowserContext, secure: bool) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not secure:
        context.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page = visit()
    choose(page, HOPPER)
    for language in ("JSON", "curl"):
        text = code(page, language)
        page.locator("#copy").click()
        expect(page.locator("#copy")).to_have_text("Copied")
        page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), {id: 'target'}))")
        page.locator("#target").focus()
        page.keyboard.press("Control+V")
        assert page.locator("#target").input_value() == text
        page.evaluate("target.remove()")


@pytest.mark.parametrize("prefix", ["", "/vision"])
def test_under_a_strict_policy_and_a_prefix_everything_loads_from_here(
    visit: Open, context: BrowserContext, prefix: str, shared_gateway: httpx2.Client
) -> None:
    policy = shared_gateway.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    context.grant_permissions(["camera"])
    page = visit(prefix)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(error.message))
    addresses = asked_for(page)
    page.reload()
    page.get_by_role("button", name="Astronaut").click()
    expect(page.get_by_role("status")).to_have_text("1 person, 1 dog")
    assert shown(page) == ["person 0.98", "dog 0.62"]
    with page.expect_download():
        page.get_by_role("button", name="Download").click()
    page.get_by_role("button", name="Webcam").click()
    expect(page.locator("#rate")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Stop webcam").click()
    done(page)
    assert complaints == []
    assert_stayed_here(addresses, page)
    paths = [httpx2.URL(one).path for one in addresses if not one.startswith("blob:")]
    assert [path for path in paths if not path.startswith(f"{prefix}/")] == []
    follow = "links => Promise.all(links.map((link) => fetch(link.href).then((answer) => answer.ok)))"
    assert page.locator("nav a, #card a").evaluate_all(follow) == [True, True, True, True]


def test_the_page_is_small(visit: Open) -> None:
    page = visit()
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.reload(wait_until="networkidle")
    assert sum(sizes) < 300_000


def test_the_key_is_asked_for_and_kept_in_memory_only(visit: Open, context: BrowserContext) -> None:
    page = visit(api_keys=ENTRY)
    field = page.get_by_label("API key")
    expect(page.locator("#door-says")).to_have_text("An API key is required.")
    expect(field).to_be_focused()
    page.get_by_label("Choose images").set_input_files(HOPPER)
    field.fill("dg_wrong")
    field.press("Enter")
    expect(page.locator("#door-says")).to_contain_text("This request is not allowed")
    field.fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_role("status")).to_have_text("1 person, 1 dog")
    expect(field).to_be_hidden()
    assert KEY not in page.content()
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert context.cookies() == []
    page.reload()
    expect(field).to_be_visible()


def test_the_model_card_is_one_click_away(visit: Open) -> None:
    page = visit()
    page.get_by_role("button", name="Model: seed").click()
    card = page.get_by_role("dialog", name="seed")
    for fact in ("2 labels: person, dog", "512 × 512, stretched", "0.50", "JPEG, PNG, WEBP", "10 MiB"):
        expect(card).to_contain_text(fact)
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_one_model_needs_no_choice(visit: Open) -> None:
    expect(visit().get_by_label("Model", exact=True)).to_be_hidden()


@pytest.fixture
def two_models(context: BrowserContext, start: Start, seed_endpoint: SeedEndpoint) -> Page:
    """The page of a gateway with two models, the second of which finds cats at a lower score."""
    seed_endpoint.scripts = {"cats-prod": lambda _: reply(answer((0, 0.35, (100.0, 100.0, 400.0, 400.0))))}
    cats = {"endpoint_name": "cats-prod", "labels": ["cat"], "min_score": 0.3}
    models = {"people": {"endpoint_name": "seed", "labels": ["person", "dog"]}, "cats": cats}
    page = context.new_page()
    page.goto(str(start(endpoint_name=None, endpoints=json.dumps(models)).base_url))
    expect(page.get_by_label("Model", exact=True)).to_be_visible()
    return page


def test_a_model_can_be_chosen_and_is_asked_about_the_image_that_is_shown(two_models: Page) -> None:
    page = two_models
    choose(page, HOPPER)
    assert shown(page) == ["person 0.98", "dog 0.62"]
    assert "model=" not in code(page, "curl")
    page.get_by_label("Model", exact=True).select_option("cats")
    expect(page.get_by_role("status")).to_have_text("1 cat")
    assert shown(page) == ["cat 0.35"], "at the model's own threshold"
    assert json.loads(run(code(page, "curl"), HOPPER.parent))["model"]["name"] == "cats"
    page.get_by_role("button", name="Model card").click()
    expect(page.get_by_role("dialog", name="cats")).to_contain_text("cats")


def test_the_choice_of_a_model_counts_for_an_image_that_is_on_its_way(
    two_models: Page, seed_endpoint: SeedEndpoint
) -> None:
    seen, go_on = threading.Event(), threading.Event()

    def slow(_: Any) -> Any:
        seen.set()
        go_on.wait(20)
        return reply(answer(PERSON))

    seed_endpoint.scripts["seed"] = slow
    two_models.get_by_label("Choose images").set_input_files(HOPPER)
    assert seen.wait(10)
    two_models.get_by_label("Model", exact=True).select_option("cats")
    go_on.set()
    expect(two_models.get_by_role("status")).to_have_text("1 cat")
    assert shown(two_models) == ["cat 0.35"]


@needs_axe
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
def test_axe_finds_nothing_against_the_choice_of_a_model(two_models: Page, size: ViewportSize) -> None:
    two_models.set_viewport_size(size)
    assert violations(two_models) == []
    assert_nothing_is_cut_off(two_models)


def test_small_objects_are_looked_for_in_tiles_when_asked_and_the_code_says_so(
    visit: Open, tmp_path: Path, seed_endpoint: SeedEndpoint
) -> None:
    (tmp_path / "large.jpg").write_bytes(jpeg(1200, 800))
    page = visit()
    choose(page, tmp_path / "large.jpg")
    assert len(seed_endpoint.requests) == 1
    page.get_by_label("Small objects").check()
    expect(page.locator("#facts")).to_contain_text("3 calls")
    assert len(seed_endpoint.requests) == 4
    there, here = json.loads(run(code(page, "curl"), tmp_path)), answered(page)
    assert there["parameters"] == here["parameters"]
    assert here["parameters"]["tiles"] == "auto"
