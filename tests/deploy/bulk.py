"""Folders and buckets of small images for batch jobs, with shards of a few images, and how a job is started."""

import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.batch import pack, plan, run
from tests.deploy.cloud import REGION
from tests.deploy.commands import FAST
from tests.example_images import jpeg, scene, stored

SHARD = 4
COUNT = 10
TURNED, BROKEN = 3, 5
# The command with small shards, as a process of its own.
SMALL = f"import deploy.batch.pack as pack; pack.SHARD_IMAGES = {SHARD}; from deploy.cli import main; main()"
WRITES = [
    "CreateBucket",
    "PutPublicAccessBlock",
    "CreatePolicy",
    "CreateRole",
    "PutRolePolicy",
    "PutObject",
    "CreateModel",
    "CreateTransformJob",
    "DeleteModel",
    "DeleteObjects",
]


def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pack, plan, run):
        monkeypatch.setattr(module, "SHARD_IMAGES", SHARD)


def contents(count: int = COUNT) -> dict[str, bytes]:
    """Images by their names: one of them lies on its side, and one is none."""
    found = {f"{number:012}.jpg": jpeg(40, 30, number) for number in range(count)}
    found[f"{TURNED:012}.jpg"] = stored(scene(40, 30), 6)
    found[f"{BROKEN:012}.jpg"] = b"no image"
    return found


def in_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def in_bucket(files: dict[str, bytes], bucket: str = "images", prefix: str = "in/") -> str:
    s3: Any = boto3.Session(region_name=REGION).client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, content in files.items():
        s3.put_object(Bucket=bucket, Key=prefix + name, Body=content)
    return f"s3://{bucket}/{prefix}"


def line(*arguments: str | Path) -> list[str]:
    """`detect-deploy batch` with small shards, as a process of its own."""
    return [sys.executable, "-c", SMALL, "batch", *FAST, *map(str, arguments)]
