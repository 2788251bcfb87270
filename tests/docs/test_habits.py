"""What a contributor and a reporter find: workflows, pre-commit, issue forms, the map of the scripts."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
PINNED = re.compile(r"uses: (?:\./\S+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)(?: #.*)?$")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(workflow: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in workflow.read_text().splitlines() if "uses: " in line]
    assert used
    assert [line for line in used if not PINNED.match(line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_has_the_permissions_that_it_names_and_ends(workflow: Path) -> None:
    told = read(workflow)
    assert told["permissions"] == {}
    for job in told["jobs"].values():
        assert job["permissions"]
        assert "timeout-minutes" in job or "uses" in job


def test_ci_runs_what_a_developer_can_run() -> None:
    jobs = read(GITHUB / "workflows" / "ci.yml")["jobs"]
    assert [step["run"] for step in jobs["everything"]["steps"] if "run" in step] == [".ci/run"]
    assert all(job["permissions"] == {"contents": "read"} for job in jobs.values())


def test_ci_tries_every_python_that_the_scripts_take() -> None:
    jobs = read(GITHUB / "workflows" / "ci.yml")["jobs"]
    (setup,) = [step for step in jobs["everything"]["steps"] if "setup-python" in step.get("uses", "")]
    tried = [setup["with"]["python-version"], *jobs["elsewhere"]["strategy"]["matrix"]["python"]]
    taken = re.search(r"find_python ([\d. ]+) \|\|", (ROOT / "scripts" / "environment").read_text())
    assert taken
    assert taken[1].split() == tried


def test_a_release_has_every_image_of_the_dockerfile_with_bill_of_materials_and_provenance() -> None:
    images = read(GITHUB / "workflows" / "release.yml")["jobs"]["images"]
    (build,) = [step["run"] for step in images["steps"] if "buildx build" in step.get("run", "")]
    assert {"--sbom=true", "--provenance=mode=max"} <= set(build.split())
    stages = re.split(r"^FROM \S+ AS ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    started = [stage.split()[0] for stage in stages if "\nCMD" in stage]
    assert images["strategy"]["matrix"]["target"] == started


def test_updates_wait_a_week_wherever_they_come_from() -> None:
    updates = read(GITHUB / "dependabot.yml")["updates"]
    assert all(one["cooldown"]["default-days"] >= 7 for one in updates)
    steps = read(GITHUB / "workflows" / "update.yml")["jobs"]["locks"]["steps"]
    assert {"run": "scripts/lock --upgrade", "env": {"UV_EXCLUDE_NEWER": "7 days"}} in steps


def test_pre_commit_runs_the_check_that_ci_runs() -> None:
    (repo,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [hook["entry"] for hook in repo["hooks"]] == ["scripts/check --fix"]
    assert "check" in (ROOT / ".ci" / "run").read_text()


def test_a_bug_report_is_asked_for_the_request_id_and_the_versions() -> None:
    fields = {field.get("id"): field for field in read(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]}
    assert all(fields[name]["validations"]["required"] for name in ("request_id", "versions"))


def test_every_script_is_in_the_table_of_contributing_and_the_other_way_round() -> None:
    listed = set(re.findall(r"^\| `scripts/([\w-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    scripts = {path.name for path in ROOT.glob("scripts/*") if path.stat().st_mode & 0o111 and path.is_file()}
    assert listed == scripts


def test_the_map_shows_the_folders_of_the_repository() -> None:
    shown = set(re.findall(r"\b([a-z]+)/", (ROOT / "CONTRIBUTING.md").read_text().split("## The rooms")[1]))
    packages = [ROOT / name for name in ("api", "inference", "deploy")]
    rooms = {path.name for package in packages for path in package.iterdir() if any(path.glob("*.py"))}
    assert {package.name for package in packages} | rooms - {"__pycache__"} <= shown


def test_the_map_gives_the_layers_in_the_order_that_is_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["api"]]
    assert " > ".join(layers) in " ".join((ROOT / "CONTRIBUTING.md").read_text().split())


def test_the_files_that_contributing_names_are_there() -> None:
    named = re.findall(r"\btests/[\w/]+\.py", (ROOT / "CONTRIBUTING.md").read_text())
    assert named
    assert [path for path in named if not (ROOT / path).is_file()] == []
