"""Every block of commands in README.md and docs/ works as it stands there, and shows what really comes."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.cloud import Cloud
from tests.docs.blocks import PAGES, Block, blocks, is_of_80_classes, typed
from tests.docs.elsewhere import TABLE, Elsewhere
from tests.docs.reader import Reader, UnknownBlock
from tests.docs.shown import agrees

BENCHMARK = re.compile(r"-m (tests\.bench\.\w+)((?: --[a-z-]+(?: [\d.]+)?)*)")


@pytest.fixture(scope="module")
def readers_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Reads all pages, so that what serves need not be started again for each."""
    cloud = Cloud()
    reader = Reader(tmp_path_factory.mktemp("checkout"), cloud)
    yield reader
    reader.leave()
    cloud.close()


@pytest.fixture
def reader(readers_own: Reader) -> Reader:
    """At a new page."""
    readers_own.turn_page()
    return readers_own


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_to_type_works_from_top_to_bottom_and_gives_what_it_shows(
    page: Path, reader: Reader, request: pytest.FixtureRequest
) -> None:
    if is_of_80_classes(page):
        reader.environment["DETECT_MODEL_DIR"] = str(request.getfixturevalue("coco_dir"))
    if any(block.language == "js" for block in typed(page)) and not shutil.which("node"):
        pytest.skip("JavaScript outside a browser needs Node.js")
    for block in typed(page):
        answer = reader.read(block)
        assert not block.shown or agrees(block.shown, answer), (
            f"{block.place}: run scripts/screenshots; it says\n{answer}"
        )


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_page_starts_with_a_command(page: Path) -> None:
    assert re.match(r"# .*\n\n```\n\S", page.read_text())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.pattern)
def test_what_is_not_run_here_is_tried_elsewhere(row: Elsewhere) -> None:
    assert row.tried


def test_a_block_that_nobody_has_classed_or_that_does_not_work_fails(reader: Reader) -> None:
    with pytest.raises(UnknownBlock, match="launch"):
        reader.read(Block("docs/new.md:1", "", "launch --rockets 3\n", ""))
    with pytest.raises(UnknownBlock, match="perl"):
        reader.read(Block("docs/new.md:1", "perl", "die\n", ""))
    with pytest.raises(AssertionError):
        reader.read(Block("docs/new.md:1", "", ".venv/bin/detect-gateway detect missing.jpg\n", ""))
    with pytest.raises(AssertionError):
        reader.read(Block("docs/new.md:1", "python", "raise SystemExit(1)\n", ""))


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        ('{"score": 0.9, "box": [1, 20], …}', True),
        ('{"score": 0.91, "box": [1, 20], "id": "…"}', True),
        ('{"score": 0.5, "box": [1, 20], …}', False),
        ('{"score": 0.9, "label": …}', False),
    ],
)
def test_what_is_shown_may_differ_in_nothing_but_the_last_digits(shown: str, same: bool) -> None:
    assert agrees(shown, '{"score":0.904,"box":[1,20.2],"id":"x"}') is same


@pytest.mark.parametrize("block", [b for p in PAGES for b in blocks(p) if b.language == "yaml"], ids=lambda b: b.place)
def test_a_configuration_that_is_shown_leads_to_this_gateway(block: Block, reader: Reader) -> None:
    line = f"curl -F image=@docs/images/grace_hopper.jpg {asked_at(yaml.safe_load(block.text))}\n"
    assert '"success":true' in reader.read(Block(block.place, "", line, ""))


def asked_at(settings: dict[str, Any]) -> str:
    """Where Frigate, or Home Assistant's integration by way of DeepStack's client, sends its images."""
    if "detectors" in settings:
        return str(settings["detectors"]["deepstack"]["api_url"])
    (platform,) = settings["image_processing"]
    return f"http://{platform['ip_address']}:{platform['port']}/v1/vision/detection"


def test_every_benchmark_that_a_page_names_exists_and_takes_its_options() -> None:
    for page in PAGES:
        for module, options in BENCHMARK.findall(page.read_text()):
            source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
            assert [one for one in re.findall(r"--[a-z-]+", options) if one not in source] == [], page.name


def test_every_page_heading_and_image_that_a_page_leads_to_is_there() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r'(?:\]\(|src=")([^):#"]*)(?:#([^)"]*))?[)"]', page.read_text()):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in headings(there), f"{page.name}: {target}#{anchor}"


def headings(page: Path) -> list[str]:
    """As addresses name them: small letters, digits and dashes."""
    found = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in found]
