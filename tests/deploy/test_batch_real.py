"""`batch` with the container that SageMaker would run, and with more lines than anyone would compute here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from deploy.aws import connect
from deploy.batch.pack import SHARD_IMAGES
from deploy.bucket import objects
from tests.api.processes import COMMAND
from tests.deploy.bulk import in_bucket, in_folder
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import ended, process
from tests.deploy.container import REAL, ROOT
from tests.deploy.deployment import IMAGE
from tests.deploy.leftovers import leftovers
from tests.deploy.moto_side import put
from tests.example_images import HOPPER, encoded, stored


def people() -> dict[str, bytes]:
    """A portrait as every format and from every side; and two files that are no images."""
    portrait = Image.open(HOPPER).convert("RGB")
    return {
        **{f"{copy}{turn}.jpg": stored(portrait, turn, quality=90) for turn in range(1, 9) for copy in "xyz"},
        "a.png": encoded(portrait, "PNG"),
        "b.webp": encoded(portrait, "WEBP"),
        "cut.jpg": HOPPER.read_bytes()[:20_000],
        "notes.txt": b"no image",
    }


def by_the_gateway(folder: Path) -> dict[str, Any]:
    """The answers of `detect-gateway detect`."""
    told = subprocess.run(
        [COMMAND, "detect", *map(str, sorted(folder.iterdir())), "--json"], capture_output=True, text=True, check=False
    )
    found = map(json.loads, told.stdout.splitlines())
    return {Path(answer["file"]).name: answer for answer in found}


def test_the_real_container_finds_what_the_gateway_finds(cloud: Cloud, tmp_path: Path) -> None:
    cloud.plane.command = REAL
    folder, out = in_folder(tmp_path / "people", people()), tmp_path / "out.jsonl"
    answer = ended(process("batch", folder, out, "--yes", "--image", IMAGE, "--timeout-minutes", "3"))
    assert answer.code == 0, answer
    (job,) = cloud.plane.transforms.jobs.values()
    assert len(job.requests) > 1
    rows = {row["file"]: row for row in map(json.loads, out.read_text().splitlines())}
    gateway = by_the_gateway(folder)
    assert rows.keys() == gateway.keys() == people().keys()
    for name, row in rows.items():
        if name in ("cut.jpg", "notes.txt"):
            assert {key: row["problem"][key] for key in ("code", "title", "detail")}.items() <= gateway[name].items()
        else:
            assert row["count"] >= 1
            assert {key: row[key] for key in ("image", "model", "detections", "count")}.items() <= gateway[name].items()
    assert leftovers(cloud) == []


def most_memory(count: int, folder: Path) -> int:
    """Bytes that a process takes which counts so many images, cuts them into shards and writes their rows."""
    command = [sys.executable, "-m", "tests.deploy.reckoned", str(count), str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=500, cwd=ROOT)
    rows, shards, kilobytes = map(int, told.stdout.split())
    assert (rows, shards) == (count, -(-count // SHARD_IMAGES))
    return kilobytes * 1024


def test_a_million_images_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    few, million = most_memory(20_000, tmp_path), most_memory(1_000_000, tmp_path)
    assert million - few < 12 * 1024 * 1024


def test_a_listing_holds_one_page(cloud: Cloud) -> None:
    in_bucket({})
    for number in range(2500):
        put(ACCOUNT, f"s3://images/in/{number:04}.jpg", b"")
    cloud.calls.clear()
    keys = objects(connect(REGION, None), "images", "in/")
    asked = []
    for number, _ in enumerate(keys, 1):
        if number in (1, 1000, 1001, 2500):
            asked.append([call.operation for call in cloud.calls].count("ListObjects"))
    assert asked == [1, 1, 2, 3]
