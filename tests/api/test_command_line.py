"""`detect-gateway detect` and `settings` as real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from api.settings import Settings
from tests.api.test_local_mode import HOPPER, Served
from tests.pictures import encoded, jpeg, scene

COMMAND = str(Path(sys.executable).with_name("detect-gateway"))


def run(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=check)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.end()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "damaged.jpg").write_bytes(jpeg()[:500])
    (tmp_path / "plain.png").write_bytes(encoded(Image.new("RGB", (60, 40), "white"), "PNG"))
    (tmp_path / "scene.jpg").write_bytes(encoded(scene()))
    return tmp_path


def test_without_a_url_the_detector_runs_here() -> None:
    answer = json.loads(run("detect", HOPPER, "--json").stdout)
    assert answer["detections"][0]["label"] == "person"


def test_a_running_gateway_is_asked_and_gives_the_same_boxes(served: Served) -> None:
    there = json.loads(run("detect", HOPPER, "--json", "--url", served.url).stdout)
    here = json.loads(run("detect", HOPPER, "--json").stdout)
    assert there["detections"] == here["detections"] != []


def test_several_pictures_give_a_table_and_a_failure_its_own_row(folder: Path) -> None:
    ended = run("detect", HOPPER, folder / "plain.png", folder / "damaged.jpg", check=False)
    assert ended.returncode == 1
    assert "person" in ended.stdout
    assert "nothing found" in ended.stdout
    assert "damaged" in ended.stdout


def test_the_least_score_decides_what_is_listed() -> None:
    few, many = (json.loads(run("detect", HOPPER, "--json", "--min-score", s).stdout)["count"] for s in ("0.9", "0.05"))
    assert few < many


def test_pictures_are_drawn_into_a_file_or_a_folder(folder: Path) -> None:
    run("detect", HOPPER, "--draw", folder / "out.png")
    with Image.open(folder / "out.png") as drawn:
        assert drawn.size == (512, 600)
    run("detect", HOPPER, folder / "scene.jpg", "--draw", folder / "drawn")
    assert {path.name for path in (folder / "drawn").iterdir()} == {"grace_hopper.jpg", "scene.jpg"}


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp"])
def test_what_is_drawn_here_is_what_the_gateway_draws(served: Served, folder: Path, encoding: str) -> None:
    run("detect", HOPPER, "--url", served.url, "--draw", folder / f"out.{encoding}")
    wish = {"Accept": f"image/{encoding}"}
    there = served.client.post("/detect", files={"image": HOPPER.read_bytes()}, headers=wish)
    assert (folder / f"out.{encoding}").read_bytes() == there.content


def test_no_gateway_at_the_url_is_one_clear_line() -> None:
    ended = run("detect", HOPPER, "--url", "http://127.0.0.1:9", check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip() == "detect-gateway: No ready gateway answers at http://127.0.0.1:9."


def test_settings_lists_every_field() -> None:
    listed = run("settings", "--markdown").stdout
    assert [name for name in Settings.model_fields if f"`DETECT_{name.upper()}`" not in listed] == []
