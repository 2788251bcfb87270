"""scripts/run where nothing is installed yet, as far as it goes without downloading the packages once more."""

import re
import subprocess
import tomllib
from pathlib import Path

from tests.conftest import ROOT

PINNED = re.compile(r"^([a-z0-9][\w.-]*)(?:\[.*?\])?==(\S+)", re.MULTILINE | re.IGNORECASE)
MAKE = """
environment .venv empty.lock "$(need_python)"
.venv/bin/python -c 'import sys; print(sys.prefix)'
"""
STAMP = 'stamp empty.lock "$(need_python)"'


def pins(lock: str) -> set[tuple[str, str]]:
    return set(PINNED.findall((ROOT / "requirements" / f"{lock}.lock").read_text()))


def environment(checkout: Path, lines: str) -> subprocess.CompletedProcess[str]:
    """Runs lines that use scripts/environment."""
    command = ["bash", "-euo", "pipefail", "-c", f"source scripts/environment\n{lines}"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)


def test_an_environment_is_made_once_and_is_out_of_date_when_its_lock_file_changes(tmp_path: Path) -> None:
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    (tmp_path / "empty.lock").write_text("# nothing, so that no index is asked\n")
    first = environment(tmp_path, MAKE)
    assert first.stdout.strip() == str(tmp_path / ".venv")
    assert "Installing empty.lock" in first.stderr
    (tmp_path / ".venv" / "kept").touch()
    assert environment(tmp_path, MAKE).stderr == ""
    assert (tmp_path / ".venv" / "kept").exists()
    mark = (tmp_path / ".venv" / "installed").read_text()
    assert environment(tmp_path, STAMP).stdout == mark
    (tmp_path / "empty.lock").write_text("# still nothing\n")
    assert environment(tmp_path, STAMP).stdout != mark


def test_what_scripts_run_installs_is_a_part_of_what_the_tests_run_with() -> None:
    assert pins("run")
    assert pins("run") <= pins("dev")


def test_what_scripts_run_installs_holds_all_that_the_gateway_and_its_endpoint_ask_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["endpoint"]]
    names = {re.split(r"[\[>=<]", one)[0].lower() for one in asked}
    assert names <= {name.lower() for name, _ in pins("run")}


def test_without_a_fitting_python_it_says_which_it_wants(tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    ended = subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "run"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "Python 3.11, 3.12 or 3.13 is needed, and none was found.\n"
