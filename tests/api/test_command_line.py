"""`detect-gateway detect` and `settings` as real processes."""

import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from api.admission.api_keys import new_key
from api.settings import Settings
from tests.api.conftest import Start
from tests.api.processes import COMMAND, Served, run
from tests.example_images import HOPPER, encoded, jpeg, scene
from tests.seed_endpoint import SeedEndpoint, answer, reply

KEY, ENTRY = new_key("terminal")
PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))


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
    ended = run("detect", HOPPER, "--json")
    assert json.loads(ended.stdout)["detections"][0]["label"] == "person"
    assert ended.stderr.startswith("1 image in ")
    assert ended.stderr.count("\n") == 1


def test_a_running_gateway_is_asked_and_gives_the_same_boxes(served: Served) -> None:
    there = json.loads(run("detect", HOPPER, "--json", "--url", served.url).stdout)
    here = json.loads(run("detect", HOPPER, "--json").stdout)
    assert there["detections"] == here["detections"] != []


def test_several_images_give_a_table_and_a_failure_its_own_row(folder: Path) -> None:
    ended = run("detect", HOPPER, folder / "plain.png", folder / "damaged.jpg", check=False)
    assert ended.returncode == 3
    assert "person" in ended.stdout
    assert "nothing found" in ended.stdout
    assert "damaged" in ended.stdout


def test_folders_and_patterns_stand_for_their_images(client: httpx2.Client, folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "below" / "deep.PNG").write_bytes((folder / "plain.png").read_bytes())
    (folder / "notes.txt").write_text("no image")
    lines = run("detect", folder, "--json", "--url", client.base_url, check=False).stdout.splitlines()
    found = [Path(json.loads(line)["file"]).name for line in lines]
    assert found == ["deep.PNG", "damaged.jpg", "plain.png", "scene.jpg"]
    lines = run("detect", f"{folder}/**/*.[pP]*", "--json", "--url", client.base_url).stdout.splitlines()
    assert [Path(json.loads(line)["file"]).name for line in lines] == ["deep.PNG", "plain.png"]


@pytest.mark.parametrize("name", ["missing.jpg", "*.nothing", ""])
def test_a_name_that_stands_for_no_image_is_wrong_usage(client: httpx2.Client, tmp_path: Path, name: str) -> None:
    ended = run("detect", tmp_path / name, "--url", client.base_url, check=False)
    assert ended.returncode == 2
    assert "image" in ended.stderr


def test_what_was_saved_is_not_asked_again(client: httpx2.Client, seed_endpoint: SeedEndpoint, folder: Path) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    record = folder / "answers.ndjson"
    arguments = ("detect", folder, "--url", client.base_url, "--json", "--save", record)
    first = run(*arguments, check=False)
    assert (first.returncode, len(seed_endpoint.requests)) == (3, 2)
    (folder / "damaged.jpg").write_bytes(jpeg())
    second = run(*arguments)
    assert (second.returncode, len(seed_endpoint.requests)) == (0, 3), "only the one with a problem was asked again"
    assert second.stdout.splitlines()[1:] == first.stdout.splitlines()[1:]
    record.write_text(record.read_text()[:-40])
    third = run(*arguments)
    assert (third.returncode, len(seed_endpoint.requests)) == (0, 4), "the line that was cut off is asked for again"
    assert [json.loads(line)["count"] for line in third.stdout.splitlines()] == [1, 1, 1]


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_cut_off_goes_on_where_it_was(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, tmp_path: Path, ending: signal.Signals, code: int
) -> None:
    """The endpoint keeps the third image until the run is over."""
    third, over = threading.Event(), threading.Event()

    def script(_: Any) -> Any:
        if len(seed_endpoint.requests) == 3:
            third.set()
            over.wait(20)
        return reply(answer(PERSON))

    seed_endpoint.script = script
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(seed=number))
    record = tmp_path / "answers.ndjson"
    arguments = ["detect", str(tmp_path), "--url", str(client.base_url), "--save", str(record), "--parallel", "1"]
    running = subprocess.Popen([COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert third.wait(20)
    running.send_signal(ending)
    assert running.wait(20) == code
    over.set()
    assert len(record.read_text().splitlines()) == 2
    assert run(*arguments).stdout.count("person") == 5
    assert len(seed_endpoint.requests) == 3 + 3, "the third and those after it"


def test_a_terminal_sees_a_progress_bar_and_a_file_does_not(client: httpx2.Client, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    command = [COMMAND, "detect", str(tmp_path), "--url", str(client.base_url)]
    screen, terminal = pty.openpty()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=terminal, timeout=60, check=True)
    os.close(terminal)
    assert b"100%" in os.read(screen, 1 << 16)
    os.close(screen)
    assert "100%" not in run(*command[1:]).stderr


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that nobody can read is wanted")
def test_a_file_that_cannot_be_read_is_a_problem_of_its_own(client: httpx2.Client, folder: Path) -> None:
    ended = run("detect", "/proc/self/mem", folder / "plain.png", "--url", client.base_url, "--json", check=False)
    first, second = map(json.loads, ended.stdout.splitlines())
    assert (ended.returncode, first["code"], second["count"]) == (3, "unreadable-file", 0)


@pytest.mark.parametrize("option", ["--save", "--coco", "--draw"])
def test_a_place_that_cannot_be_written_is_one_clear_line_before_anything_is_asked(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, folder: Path, option: str
) -> None:
    place = folder / "scene.jpg" / "below"
    ended = run("detect", folder / "plain.png", "--url", client.base_url, option, place, check=False)
    assert (ended.returncode, len(ended.stderr.splitlines()), seed_endpoint.requests) == (1, 1, [])
    assert "scene.jpg" in ended.stderr


def test_images_are_asked_about_in_parallel(client: httpx2.Client, seed_endpoint: SeedEndpoint, folder: Path) -> None:
    """The endpoint answers nobody before three wait for it."""
    together = threading.Barrier(3, timeout=20)

    def script(_: Any) -> Any:
        together.wait()
        return reply(answer())

    seed_endpoint.script = script
    (folder / "damaged.jpg").write_bytes(jpeg())
    assert run("detect", folder, "--url", client.base_url, "--parallel", "3").returncode == 0


def test_cocos_results_have_the_numbers_of_the_files(
    client: httpx2.Client, seed_endpoint: SeedEndpoint, tmp_path: Path
) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    for name in ("000000000139.jpg", "000000000285.jpg"):
        (tmp_path / name).write_bytes(jpeg(512, 512))
    run("detect", tmp_path, "--url", client.base_url, "--coco", tmp_path / "out" / "results.json")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [(one["image_id"], one["category_id"], one["bbox"]) for one in results] == [
        (139, 1, [128.0, 64.0, 128.0, 384.0]),
        (285, 1, [128.0, 64.0, 128.0, 384.0]),
    ]
    (tmp_path / "a.jpg").write_bytes(jpeg())
    run("detect", tmp_path, "--url", client.base_url, "--coco", tmp_path / "results.json")
    assert [one["image_id"] for one in json.loads((tmp_path / "results.json").read_text())] == [1, 2, 3]


def test_images_of_the_same_name_are_drawn_side_by_side(client: httpx2.Client, tmp_path: Path) -> None:
    for number in "12":
        (tmp_path / number).mkdir()
        (tmp_path / number / "a.jpg").write_bytes(jpeg())
    run("detect", tmp_path / "1", tmp_path / "2", "--url", client.base_url, "--draw", tmp_path / "drawn")
    assert len(list((tmp_path / "drawn").iterdir())) == 2


def test_the_key_comes_from_an_option_or_the_environment(start: Start, folder: Path) -> None:
    url = start(api_keys=ENTRY).base_url
    refused = run("detect", folder / "plain.png", "--url", url, check=False)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (1, 1)
    assert "An API key is required" in refused.stderr
    assert run("detect", folder / "plain.png", "--url", url, "--key", KEY).returncode == 0
    assert run("detect", folder / "plain.png", "--url", url, DETECT_API_KEY=KEY).returncode == 0


def test_the_least_score_decides_what_is_listed() -> None:
    few, many = (json.loads(run("detect", HOPPER, "--json", "--min-score", s).stdout)["count"] for s in ("0.9", "0.05"))
    assert few < many


def test_images_are_drawn_into_a_file_or_a_folder(folder: Path) -> None:
    run("detect", HOPPER, "--draw", folder / "out.png")
    with Image.open(folder / "out.png") as drawn:
        assert drawn.size == (512, 600)
    run("detect", HOPPER, folder / "scene.jpg", "--draw", folder / "drawn")
    assert {path.name for path in (folder / "drawn").iterdir()} == {"grace_hopper.jpg", "scene.jpg"}


def test_a_drawing_has_the_name_of_what_it_is(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a.bmp").write_bytes(encoded(scene(), "BMP"))
    (tmp_path / "b.png").write_bytes(encoded(scene(), "PNG"))
    run("detect", tmp_path, "--url", start(formats="png,bmp").base_url, "--draw", tmp_path / "drawn")
    drawn = {one.name: Image.open(io.BytesIO(one.read_bytes())).format for one in (tmp_path / "drawn").iterdir()}
    assert drawn == {"a.bmp.jpg": "JPEG", "b.png": "PNG"}


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp"])
def test_what_is_drawn_here_is_what_the_gateway_draws(served: Served, folder: Path, encoding: str) -> None:
    run("detect", HOPPER, "--url", served.url, "--draw", folder / f"out.{encoding}")
    wish = {"Accept": f"image/{encoding}"}
    there = served.client.post("/detect", files={"image": HOPPER.read_bytes()}, headers=wish)
    assert (folder / f"out.{encoding}").read_bytes() == there.content


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "Nothing accepts connections at http://127.0.0.1:9: Connection refused."),
        ("127.0.0.1:8000", "'127.0.0.1:8000' does not start with http:// or https://"),
        ("http://nosuch.invalid", "nosuch.invalid"),
    ],
)
def test_no_gateway_at_the_url_is_one_clear_line(url: str, words: str) -> None:
    ended = run("detect", HOPPER, "--url", url, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("detect-gateway: The gateway")
    assert words in ended.stderr


def test_the_url_of_the_api_itself_is_one_clear_line(client: httpx2.Client) -> None:
    ended = run("detect", HOPPER, "--url", f"{client.base_url}/detect", check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "leave it out" in ended.stderr


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"detect-gateway {version('detect-gateway')}\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="bash completes here")
def test_a_shell_completes_commands_and_options() -> None:
    script = run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    completed = """
    complete_it() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _detect_gateway_completion detect-gateway; }
    complete_it detect-gateway se; echo "${COMPREPLY[@]}"
    complete_it detect-gateway detect --c; echo "${COMPREPLY[@]}"
    """
    path = f"{Path(COMMAND).parent}:{os.environ['PATH']}"
    shell = subprocess.run(
        ["bash", "-c", script + completed], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert shell.stdout.split() == ["serve", "settings", "--coco"]


def test_settings_are_shown_in_units_that_people_read(tmp_path: Path) -> None:
    values: dict[str, Any] = {"DETECT_MAX_BATCH_BYTES": "1234567", "DETECT_LABELS": "cat,[dog]", "COLUMNS": "200"}
    shown = run("settings", **values).stdout
    rows = dict(re.findall(r"│ DETECT_(\w+) +│ (.*?) +│", shown))
    assert rows["MAX_BODY_BYTES"] == "10 MiB"
    assert rows["MAX_BATCH_BYTES"] == "1,234,567 bytes"
    assert rows["DEADLINE_SECONDS"] == "25 s"
    assert rows["REDIS_URL"] == rows["ENDPOINTS"] == rows["API_KEYS"] == "unset"
    assert rows["LABELS"] == "cat,[dog]"
    assert rows["TRACES"] == "false"


def test_settings_lists_every_field() -> None:
    listed = run("settings", "--markdown").stdout
    assert [name for name in Settings.model_fields if f"`DETECT_{name.upper()}`" not in listed] == []
