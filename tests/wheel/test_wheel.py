"""The wheel as somebody has it who has no checkout: installed into a fresh environment, run from an empty folder."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import httpx2
import pytest
from trove_classifiers import classifiers

from deploy.artifact import BUNDLED_MODEL, pack
from deploy.targets import TARGETS
from tests.conftest import ROOT
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.example_images import HOPPER
from tests.wheel.environment import Environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/detect-endpoint:1"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(folder), str(ROOT)], check=True, stderr=subprocess.DEVNULL)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What a package index would show."""
    with zipfile.ZipFile(wheel) as held:
        (name,) = [name for name in held.namelist() if name.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(held.read(name).decode())


@pytest.fixture(scope="module")
def local(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with the extra `local`."""
    return Environment(tmp_path_factory.mktemp("local"), wheel, "local")


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel without any extra."""
    return Environment(tmp_path_factory.mktemp("plain"), wheel)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with an image, and with modules of our names that must not be imported."""
    shutil.copy(HOPPER, tmp_path / "portrait.jpg")
    for name in ("api", "deploy", "inference"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')\n")
    return tmp_path


def run(
    environment: Environment, folder: Path, *command: str, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in a folder, without any variable of ours."""
    return subprocess.run(
        [environment.bin / command[0], *command[1:]],
        cwd=folder,
        env=outside(folder) | (variables or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def outside(folder: Path) -> dict[str, str]:
    """The variables of somebody who has this folder and no settings."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "200"}


@contextmanager
def served(environment: Environment, folder: Path) -> Iterator[httpx2.Client]:
    """`detect-gateway serve`, ready, for as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(environment.bin / "detect-gateway"), "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=outside(folder), stdout=subprocess.DEVNULL)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(client: httpx2.Client, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"not ready; exit code {process.poll()}")


def test_serve_answers_with_the_bundled_model_from_any_folder(local: Environment, elsewhere: Path) -> None:
    with served(local, elsewhere) as client:
        answer = client.post("/detect", files={"image": (elsewhere / "portrait.jpg").read_bytes()}).json()
        assert client.get("/").status_code == 200
    assert answer["model"]["name"] == "person-300"
    assert answer["detections"][0]["label"] == "person"


def test_detect_finds_with_the_bundled_model_from_any_folder(local: Environment, elsewhere: Path) -> None:
    ended = run(local, elsewhere, "detect-gateway", "detect", "portrait.jpg", "--json")
    assert ended.returncode == 0, ended.stderr
    assert '"person"' in ended.stdout


def test_what_runs_is_the_wheel_and_not_the_checkout(local: Environment, tmp_path: Path) -> None:
    where = "import api, deploy, inference; print(*(m.__file__ for m in (api, deploy, inference)), sep='\\n')"
    ended = run(local, tmp_path, "python", "-c", where)
    assert [Path(file).parents[1] for file in ended.stdout.split()] == [local.site_packages] * 3


def test_detect_deploy_packs_the_same_hooks_and_model_as_in_the_checkout(plain: Environment, elsewhere: Path) -> None:
    cloud = Cloud()
    variables = dict(cloud.environment)
    ended = run(plain, elsewhere, "detect-deploy", "plan", "--image", IMAGE, "--json", variables=variables)
    cloud.close()
    assert ended.returncode == 0, ended.stdout
    assert f"/{pack(TARGETS['cpu'], BUNDLED_MODEL).sha256}/model.tar.gz" in ended.stdout


def test_without_the_engine_serve_says_what_to_install(plain: Environment, tmp_path: Path) -> None:
    ended = run(plain, tmp_path, "detect-gateway", "serve", "--port", "0")
    assert ended.returncode == 1
    assert "pip install 'detect-gateway[local]'" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_wheel_holds_code_data_and_types(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "api", "deploy", "inference"], cwd=ROOT, capture_output=True, text=True
    )
    assert set(tracked.stdout.split()) <= held
    assert {"api/py.typed", "inference/models/person/model.onnx", "inference/hooks/inference.py"} <= held
    assert {name.split("/")[0] for name in held if ".dist-info" not in name} == {"api", "deploy", "inference"}


def test_a_package_index_can_show_it(metadata: Message) -> None:
    assert set(metadata.get_all("Classifier", [])) <= classifiers
    assert metadata["Author"]
    assert metadata["Keywords"]
    pythons = [name.rpartition(" :: ")[2] for name in metadata.get_all("Classifier", []) if ":: 3." in name]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    description = metadata.get_payload()
    assert isinstance(description, str)
    assert re.findall(r"\]\((?!https?:)[^)]*\)", description) == []
    assert description.startswith("# Detect Gateway")


def test_the_extra_local_and_the_dependencies_are_all_that_the_endpoint_needs() -> None:
    asked = set(PROJECT["dependency-groups"]["endpoint"])
    assert asked <= {*PROJECT["project"]["dependencies"], *EXTRAS["local"], "starlette>=1.10"}  # FastAPI brings that


def test_the_extra_mxnet_pins_what_its_tests_run_with_where_there_are_wheels() -> None:
    pins = [line.split(" #")[0] for line in (ROOT / "requirements" / "mxnet.in").read_text().splitlines()]
    for requirement in EXTRAS["mxnet"]:
        pin, _, marker = requirement.partition(";")
        assert pin in pins
        assert marker.strip() == "python_version < '3.12' and sys_platform == 'linux'"
