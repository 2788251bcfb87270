"""What docs/endpoint.md says of the environment is what the code reads, and the other way round."""

import re

import manifest
from tests.inference.running import INFERENCE, ROOT

READ = re.compile(r'environ(?:\.get\(|\[)"([A-Z_]+)"')


def test_every_variable_that_the_endpoint_reads_is_documented_and_no_other() -> None:
    read = {name for file in INFERENCE.glob("*.py") for name in READ.findall(file.read_text())}
    page = (ROOT / "docs" / "endpoint.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)`", page, re.MULTILINE)) == read | set(manifest.VARIABLES.values())


def test_every_field_of_model_json_is_documented() -> None:
    page = (ROOT / "docs" / "endpoint.md").read_text()
    assert all(f"`{field}`" in page for field in manifest.Manifest._fields)


def test_the_exports_that_the_pages_show_have_options_that_exist() -> None:
    known = set(re.findall(r'"(--[a-z-]+)"', (INFERENCE / "export.py").read_text()))
    for page in ROOT.glob("docs/*.md"):
        for command in re.findall(r"inference/export\.py .*", page.read_text()):
            assert set(re.findall(r"--[a-z-]+", command)) <= known, page.name
