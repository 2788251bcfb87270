"""The operator's page and dashboard against the gateway: every code, every figure, and no other."""

import json
import re
import subprocess
import sys
from typing import Any

import httpx2

from api.errors import DetectError
from tests.bench.report import Outcome
from tests.bench.security import BEGIN, FIGURES, table, with_table
from tests.bench.security import PAGE as SECURITY
from tests.conftest import ROOT
from tests.example_images import jpeg
from tests.waiting import wait_for

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "gateway" / "grafana.json").read_text(encoding="utf-8"))


def leaves(parent: type[DetectError]) -> list[type[DetectError]]:
    return [leaf for child in parent.__subclasses__() for leaf in (leaves(child) or [child])]


def families(client: httpx2.Client) -> set[str]:
    """The gateway's own metrics, as Prometheus's queries name them."""
    return set(re.findall(r"^# TYPE (detect_\w+)", client.get("/metrics").text, re.MULTILINE))


def test_every_code_has_its_section_with_its_status_and_no_other_has_one() -> None:
    sections = dict(re.findall(r"^### `([a-z-]+)`\n(\d{3})\.", PAGE, re.MULTILINE))
    assert sections == {leaf.code: str(leaf.status) for leaf in leaves(DetectError)}
    assert PAGE.count("\n### ") == len(sections)


def test_every_metric_is_on_the_page_and_the_page_names_no_other(client: httpx2.Client) -> None:
    assert set(re.findall(r"^\| `(detect_\w+)`", PAGE, re.MULTILINE)) == families(client)


def test_the_dashboard_asks_for_metrics_and_labels_that_exist(client: httpx2.Client) -> None:
    client.post("/detect", files={"image": jpeg()}).raise_for_status()
    wait_for(lambda: 'route="/detect"' in client.get("/metrics").text)  # counted a moment after its answer is out
    shown = client.get("/metrics").text
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    for query in queries:
        for name in re.findall(r"\bdetect_\w+", query):
            assert re.search(rf"^# TYPE {name.removesuffix('_bucket')} ", shown, re.MULTILINE), query
    grouped = {label for query in queries for by in re.findall(r"by \((.*?)\)", query) for label in by.split(", ")}
    assert all(f"{label}=" in shown for label in grouped - {"code", "limit"})


def test_the_dashboard_shows_every_metric(client: httpx2.Client) -> None:
    assert {name for name in families(client) if name not in json.dumps(DASHBOARD)} == set()


def test_the_page_names_only_settings_that_exist() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for page in ("operations.md", "security.md"):
        named = set(re.findall(r"`(DETECT_[A-Z_]+)", (ROOT / "docs" / page).read_text(encoding="utf-8")))
        assert named <= set(re.findall(r"`(DETECT_[A-Z_]+)`", settings)), page


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)", page)
    assert named
    assert [name for name in named if f"def {name}" not in written] == []
    modules = re.findall(r"`(tests/[\w/]+\.py)`", page) + [
        name.replace(".", "/") + ".py" for name in re.findall(r"\b(tests\.bench\.\w+)", page)
    ]
    assert [name for name in modules if not (ROOT / name).is_file()] == []


def test_one_command_writes_all_figures_into_the_security_page_and_touches_nothing_else() -> None:
    page = SECURITY.read_text(encoding="utf-8")
    outcomes = [Outcome(f"result {n}", held=n > 0) for n in range(len(FIGURES))]
    rows = list(zip(FIGURES, (figure.full for figure in FIGURES), outcomes, strict=True))
    written = with_table(page, table("2 cores of a test", rows))
    assert written.partition(BEGIN)[0] == page.partition(BEGIN)[0]
    assert with_table(written, "x") == with_table(page, "x"), "what stands around the table stays"
    for figure, amount, outcome in rows:
        told = f"| `{figure.command(amount)}` | {outcome.summary} | {'yes' if outcome else 'no'} |"
        assert told in written


def test_each_figure_s_own_command_takes_its_option() -> None:
    for figure in FIGURES:
        _, *command = figure.command(figure.short).split()
        shown = subprocess.run([sys.executable, *command[:2], "--help"], capture_output=True, text=True, check=True)
        assert f"--{figure.option} " in shown.stdout
