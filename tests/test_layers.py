"""The rooms of the gateway: imports go down only, and a dependency has one place that knows it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINT = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(LINT, cwd=checkout, env={"PYTHONPATH": str(checkout)}, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("api", "deploy", "inference"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("models", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_all_layers_are_kept_as_they_are(checkout: Path) -> None:
    kept = lint(checkout)
    assert kept.returncode == 0, kept.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("api/image/fit.py", "import api.detect"),
        ("api/render/formats.py", "from api.web import upload"),
        ("api/errors.py", "import starlette"),
        ("api/detect.py", "import boto3"),
        ("api/web/routes.py", "import PIL"),
        ("api/detect.py", "import prometheus_client"),
        ("api/client.py", "import typer"),
        ("deploy/names.py", "import api.schema"),
        ("inference/server/app.py", "import api.schema"),
        ("api/lonely.py", "import os"),
    ],
)
def test_a_line_that_imports_what_its_room_must_not_know_fails_the_check(
    checkout: Path, module: str, line: str
) -> None:
    with (checkout / module).open("a") as file:
        file.write(f"\n{line}\n")
    assert lint(checkout).returncode == 1
