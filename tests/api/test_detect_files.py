"""What `detect-gateway detect` reads and writes: every image, no original overwritten, no answer lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.api.processes import COMMAND, resident_megabytes, run
from tests.conftest import ROOT
from tests.example_images import encoded, jpeg, scene
from tests.seed_endpoint import SeedEndpoint, answer, reply
from tests.waiting import wait_for

PERSON = (0, 0.981, (128.0, 64.0, 256.0, 448.0))
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


@pytest.fixture
def asking(client: httpx2.Client, seed_endpoint: SeedEndpoint) -> tuple[str, ...]:
    """The command's first words, for a gateway that sees a person in each image."""
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    return ("detect", "--url", str(client.base_url))


def names(ended: subprocess.CompletedProcess[str]) -> list[str]:
    return [os.path.basename(json.loads(line)["file"]) for line in ended.stdout.splitlines()]


def usage_error(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 2
    return " ".join(ended.stderr.replace("│", " ").split())


def test_images_are_taken_by_their_suffix_or_their_bytes_and_others_are_counted(
    asking: tuple[str, ...], tmp_path: Path
) -> None:
    for name in ("a.jfif", "b.jpe", "no_suffix", "photo.download", "phone.HEIC", "bare"):
        (tmp_path / name).write_bytes(HEIC if name in ("phone.HEIC", "bare") else jpeg())
    for name in ("notes.txt", "._a.jfif", "BM starts bitmaps and texts", "data.json"):
        (tmp_path / name).write_text("BM, and so on")
    os.mkfifo(tmp_path / "pipe.jpg")
    ended = run(*asking, tmp_path, "--json", check=False)
    assert names(ended) == ["a.jfif", "b.jpe", "bare", "no_suffix", "phone.HEIC", "photo.download"]
    assert ended.returncode == 3, "HEIC is refused, and not left out"
    assert "6 images in" in ended.stderr
    assert "2 images with a problem" in ended.stderr
    assert "5 files skipped" in ended.stderr


@pytest.mark.parametrize("pattern", ["{}", "{}/**/*.jpg", "{}/**"])
def test_links_that_lead_in_a_circle_are_followed_once(asking: tuple[str, ...], tmp_path: Path, pattern: str) -> None:
    inside, beside = tmp_path / "in", tmp_path / "beside"
    for folder in (inside / "below", beside):
        folder.mkdir(parents=True)
        (folder / f"{folder.name}.jpg").write_bytes(jpeg())
    for number in range(8):
        (inside / f"up{number}").symlink_to(inside)
        (inside / "below" / f"up{number}").symlink_to(inside)
    (inside / "linked").symlink_to(beside)
    assert sorted(names(run(*asking, pattern.format(inside), "--json"))) == ["below.jpg", "beside.jpg"]


def test_a_broken_link_is_a_problem_of_its_own(asking: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    ended = run(*asking, tmp_path, "--json", check=False)
    assert (ended.returncode, names(ended)) == (3, ["a.jpg", "gone.jpg", "itself.jpg"])
    assert [json.loads(line).get("code") for line in ended.stdout.splitlines()] == [None, *["unreadable-file"] * 2]


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_said_and_the_others_are_asked_about(
    asking: tuple[str, ...], tmp_path: Path
) -> None:
    for name in ("a", "locked", "z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.jpg").write_bytes(jpeg())
    (tmp_path / "locked").chmod(0)
    command = [*(UNPRIVILEGED if os.geteuid() == 0 else []), COMMAND, *asking, str(tmp_path), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    (tmp_path / "locked").chmod(0o700)
    assert (ended.returncode, names(ended)) == (3, ["a.jpg", "z.jpg"])
    assert "locked: Permission denied" in ended.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("d", "--draw", "d"),
        ("d", "--draw", "d/"),
        ("d", "--draw", "link"),
        ("d/a.jpg", "--draw", "d/a.jpg"),
        ("d/a.jpg", "--draw", "hard.jpg"),
        ("d/a.jpg", "--coco", "d/a.jpg"),
        ("d/a.jpg", "--save", "d/a.jpg"),
        ("d/a.jpg", "--save", "d/b.png"),
        ("d/a.jpg", "--coco", "one", "--save", "one"),
    ],
)
def test_no_output_is_ever_an_input(
    asking: tuple[str, ...], seed_endpoint: SeedEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    Path("d/a.jpg").write_bytes(jpeg())
    Path("d/b.png").write_bytes(encoded(scene(), "PNG"))
    Path("link").symlink_to("d")
    Path("hard.jpg").hardlink_to("d/a.jpg")
    before = {path: path.read_bytes() for path in Path("d").iterdir()}
    assert usage_error(run(*asking, *options, check=False))
    assert {path: path.read_bytes() for path in Path("d").iterdir()} == before
    assert seed_endpoint.requests == []


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("x.gif", "use .jpg, .png or .webp"),
        ("x.tiff", "use .jpg, .png or .webp"),
        ("x.heic", "use .jpg, .png or .webp"),
    ],
)
def test_a_drawing_is_not_given_a_name_that_says_something_else(
    asking: tuple[str, ...], tmp_path: Path, place: str, words: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    assert words in usage_error(run(*asking, tmp_path / "a.jpg", "--draw", tmp_path / place, check=False))


@pytest.mark.parametrize("option", ["--coco", "--save"])
@pytest.mark.parametrize("place", ["there", "new/"])
def test_results_and_records_are_files(asking: tuple[str, ...], tmp_path: Path, option: str, place: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.jpg").write_bytes(jpeg())
    ended = run(*asking, tmp_path / "a.jpg", option, f"{tmp_path}/{place}", check=False)
    assert "is a folder: name a file" in usage_error(ended)


def test_one_file_is_no_place_for_several_drawings(asking: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    assert "name a folder" in usage_error(run(*asking, tmp_path, "--draw", tmp_path / "out.png", check=False))


@pytest.mark.parametrize("place", ["out/", "out", "new.png/", "there.png"])
def test_a_place_that_ends_in_a_slash_or_is_a_folder_is_drawn_into(
    asking: tuple[str, ...], tmp_path: Path, place: str
) -> None:
    (tmp_path / "there.png").mkdir()
    (tmp_path / "a.jpg").write_bytes(jpeg())
    run(*asking, tmp_path / "a.jpg", "--draw", f"{tmp_path}/{place}")
    with Image.open(tmp_path / place / "a.jpg") as drawn:
        assert drawn.format == "JPEG"


def test_drawings_that_would_share_a_file_are_refused(asking: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.jfif").write_bytes(jpeg())
    (tmp_path / "a.jfif.jpg").write_bytes(jpeg())
    ended = run(*asking, tmp_path, "--draw", tmp_path / "out", check=False)
    assert "same file" in usage_error(ended)


def test_images_whose_drawings_fail_are_counted_and_the_others_drawn(asking: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "out" / "a.jpg").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(jpeg())
    ended = run(*asking, tmp_path / "in", "--draw", tmp_path / "out", check=False)
    assert (ended.returncode, (tmp_path / "out" / "b.jpg").is_file()) == (3, True)
    assert "1 image not drawn" in ended.stderr


@pytest.mark.parametrize("option", ["--save", "--coco", "--draw"])
@pytest.mark.parametrize("place", ["/proc/here", "/dev/full"])
def test_a_place_that_takes_nothing_is_said_before_anything_is_asked(
    asking: tuple[str, ...], seed_endpoint: SeedEndpoint, tmp_path: Path, option: str, place: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    ended = run(*asking, tmp_path / "a.jpg", option, place, check=False)
    assert ended.returncode in (1, 2)
    assert place in ended.stderr
    assert "Traceback" not in ended.stderr
    assert seed_endpoint.requests == []


def test_older_results_stay_until_the_new_ones_are_complete(
    asking: tuple[str, ...], seed_endpoint: SeedEndpoint, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    results = tmp_path / "results.json"
    results.write_text("older")
    run("detect", "--url", "http://127.0.0.1:9", tmp_path / "a.jpg", "--coco", results, check=False)
    assert results.read_text() == "older"
    run(*asking, tmp_path / "a.jpg", "--coco", results)
    assert len(json.loads(results.read_text())) == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    piped = run(*asking, tmp_path / "a.jpg", "--coco", "/dev/stderr").stderr
    assert len(json.JSONDecoder().raw_decode(piped)[0]) == 1
    seed_endpoint.script = lambda _: reply(answer())
    run(*asking, tmp_path / "a.jpg", "--coco", results)
    assert json.loads(results.read_text()) == []


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_the_terminal_cannot_print_ends_nothing(
    asking: tuple[str, ...], tmp_path: Path, options: tuple[str, ...], encoding: str
) -> None:
    (tmp_path / "in").mkdir()
    odd = os.fsdecode(os.fsencode(tmp_path) + "/in/bär\x1b[31m\n".encode() + b"\xff.jpg")
    Path(odd).write_bytes(jpeg())
    out = tmp_path / "out"
    arguments = (
        *asking,
        tmp_path / "in",
        "--coco",
        out / "r.json",
        "--draw",
        out / "drawn",
        "--save",
        out / "s.ndjson",
        *options,
    )
    for _ in range(2):
        ended = run(*arguments, PYTHONIOENCODING=encoding)
        assert "\x1b[31m" not in ended.stdout
        assert "\\udcff" in ended.stdout
    assert "1 answer from an earlier run" in ended.stderr
    assert len(json.loads((out / "r.json").read_text())) == len(list((out / "drawn").iterdir())) == 1


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_screen_that_takes_nothing_loses_no_file(
    asking: tuple[str, ...], tmp_path: Path, options: tuple[str, ...]
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    with open("/dev/full", "w") as full:
        ended = printing_to(full.fileno(), *asking, str(tmp_path), "--coco", str(tmp_path / "r.json"), *options)
    assert ended.returncode == 1
    assert "2 images in" in ended.stderr
    assert "No space left on device" in ended.stderr
    assert len(json.loads((tmp_path / "r.json").read_text())) == 2


def test_a_pipe_that_is_closed_ends_the_run_unless_files_are_written(
    asking: tuple[str, ...], seed_endpoint: SeedEndpoint, tmp_path: Path
) -> None:
    for number in range(60):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg())
    reading, writing = os.pipe()
    os.close(reading)
    ended = printing_to(writing, *asking, str(tmp_path), "--json", "--parallel", "1")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert len(seed_endpoint.requests) < 30, "nobody pays for what nobody reads"
    ended = printing_to(writing, *asking, str(tmp_path), "--json", "--save", str(tmp_path / "s.ndjson"))
    os.close(writing)
    assert ended.returncode == 0
    assert len((tmp_path / "s.ndjson").read_text().splitlines()) == 60


def printing_to(descriptor: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], stdout=descriptor, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", [("settings",), ("settings", "--markdown"), ("key", "me"), ("--version",)])
def test_every_command_says_that_nothing_could_be_printed(command: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        ended = printing_to(full.fileno(), *command)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in ended.stderr


def test_answers_are_printed_as_they_come(asking: tuple[str, ...], seed_endpoint: SeedEndpoint, tmp_path: Path) -> None:
    """The endpoint keeps the third image until the first two have been read."""
    read = threading.Event()

    def script(_: Any) -> Any:
        if len(seed_endpoint.requests) == 3:
            assert read.wait(20)
        return reply(answer(PERSON))

    seed_endpoint.script = script
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(seed=number))
    command = [COMMAND, *asking, str(tmp_path), "--json", "--parallel", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        assert [Path(json.loads(running.stdout.readline())["file"]).name for _ in range(2)] == ["0.jpg", "1.jpg"]
        read.set()
        assert len(running.stdout.readlines()) == 2


def test_a_summary_says_how_many_how_long_and_where_the_files_are(asking: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    places = {"--coco": "r.json", "--draw": "drawn", "--save": "s.ndjson"}
    options = [part for option, name in places.items() for part in (option, str(tmp_path / name))]
    summary = run(*asking, tmp_path, *options).stderr
    assert "1 image in " in summary
    assert " s: 1 object in 1 image." in summary
    assert all(str(tmp_path / name) in summary for name in places.values())


FOUND = """
import resource, sys
from api.cli.images import find_images
found = find_images(sys.argv[1:])
print(len(found.files), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def kilobytes_for(folder: Path, names: int) -> int:
    """The most memory of a process that finds so many images in a folder."""
    for number in range(names):
        (folder / f"{number:06}.jpg").touch()
    told = subprocess.run([sys.executable, "-c", FOUND, folder], capture_output=True, text=True, check=True, cwd=ROOT)
    count, most = map(int, told.stdout.split())
    assert count == names
    return most


def test_of_a_hundred_thousand_images_the_names_alone_are_in_memory(tmp_path: Path) -> None:
    few = kilobytes_for(tmp_path, 1000)
    assert kilobytes_for(tmp_path, 100_000) - few < 100_000 * 0.5


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_answers(
    asking: tuple[str, ...], seed_endpoint: SeedEndpoint, tmp_path: Path
) -> None:
    """A hundred boxes an image; the command holds fewer than it has told."""
    seed_endpoint.script = lambda _: reply(answer(*[PERSON] * 100))
    image = encoded(Image.new("RGB", (8, 8)))
    for number in range(600):
        (tmp_path / f"{number:03}.jpg").write_bytes(image)
    sizes: list[float] = []
    command = [COMMAND, *asking, str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        for told, _ in enumerate(running.stdout, start=1):
            if told in (200, 500):
                sizes.append(resident_megabytes(running.pid))
    assert sizes[1] - sizes[0] < 12, "300 answers more are tens of megabytes of objects"


def test_the_table_of_many_images_comes_in_parts(asking: tuple[str, ...], tmp_path: Path) -> None:
    for number in range(101):
        (tmp_path / f"{number:03}.jpg").write_bytes(jpeg())
    printed = run(*asking, tmp_path).stdout
    assert printed.count("x_min") == 2
    assert printed.count("person") == 101


def test_an_interrupted_run_prints_what_it_knows(
    asking: tuple[str, ...], seed_endpoint: SeedEndpoint, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(seed=number))
    over = threading.Event()

    def script(_: Any) -> Any:
        if len(seed_endpoint.requests) == 3:
            over.wait(20)
        return reply(answer(PERSON))

    seed_endpoint.script = script
    command = [COMMAND, *asking, str(tmp_path), "--parallel", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        wait_for(lambda: len(seed_endpoint.requests) == 3)
        running.send_signal(signal.SIGINT)
        printed, _ = running.communicate(timeout=20)
        over.set()
    assert running.returncode == 130
    assert "person" in printed
