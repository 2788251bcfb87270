"""What docs/endpoint.md says of the environment is what the code reads, and docs/engine.md has every table."""

import re
from pathlib import Path

import pytest

import manifest
from tests.bench import endpoint, engine, sizes, tables
from tests.conftest import ROOT

INFERENCE = ROOT / "inference"
READ = re.compile(r'environ(?:\.get\(|\[)"([A-Z_]+)"')


def test_every_variable_that_the_endpoint_reads_is_documented_and_no_other() -> None:
    read = {
        name
        for folder in ("hooks", "server")
        for file in INFERENCE.glob(f"{folder}/*.py")
        for name in READ.findall(file.read_text())
    }
    page = (ROOT / "docs" / "endpoint.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)`", page, re.MULTILINE)) == read | set(manifest.VARIABLES.values())


def test_every_field_of_model_json_is_documented() -> None:
    page = (ROOT / "docs" / "endpoint.md").read_text()
    assert all(f"`{field}`" in page for field in manifest.Manifest._fields)


def test_every_table_of_the_benchmarks_has_its_place_in_the_engines_page_and_no_other_has_one() -> None:
    assert sorted(tables.places(tables.PAGE.read_text())) == sorted([*engine.TABLES, *endpoint.TABLES, *sizes.TABLES])


def test_a_table_is_written_into_its_place_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(tables.PAGE.read_text())
    kept = tables.show({"memory": lambda: (tables.table(["a"], [["1"]]), {"one is one": True})}, page)
    assert kept
    before, after = tables.PAGE.read_text().split("<!-- memory -->\n")
    measured = f"| a |\n| --- |\n| 1 |\n\nMeasured on {tables.machine()}.\n"
    rest = after.partition("<!-- /memory -->")[2]
    assert page.read_text() == f"{before}<!-- memory -->\n{measured}<!-- /memory -->{rest}"


def test_a_table_without_a_place_is_not_lost_in_silence() -> None:
    with pytest.raises(ValueError, match="no place for the table memory"):
        tables.put("<!-- other -->\n<!-- /other -->", "memory", "")


def test_a_promise_that_does_not_hold_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert not tables.show({"memory": lambda: ("", {"pigs fly": False, "one is one": True})}, None)
    assert "BROKEN pigs fly\nholds  one is one\n" in capsys.readouterr().out


def test_the_parity_report_is_read_as_it_is_written() -> None:
    report = "| network | a | b | AP | AP50 |\n|---|---|---|---|---|\n| model.onnx | 0.00200 | 0.100 | x | x |\n"
    assert engine.parity(report)[1] == {
        "fp32 differs from MXNet by 0.00200 in a score and 0.100 pixels, under 0.001 and 0.5": False
    }


def test_the_exports_that_the_pages_show_have_options_that_exist() -> None:
    known = set(re.findall(r'"(--[a-z-]+)"', (INFERENCE / "export" / "__main__.py").read_text()))
    for page in ROOT.glob("docs/*.md"):
        for command in re.findall(r"-m inference\.export .*", page.read_text()):
            assert set(re.findall(r"--[a-z-]+", command)) <= known, page.name
