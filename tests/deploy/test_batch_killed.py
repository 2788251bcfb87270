"""A batch job whose process is really killed, at every call there is: the same again ends whole, `--abandon` clean."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.bulk import COUNT, WRITES, contents, in_folder, line, small_shards
from tests.deploy.cloud import Cloud, Rule
from tests.deploy.commands import Deploy
from tests.deploy.leftovers import leftovers

# Each write, the second and the last of those that come again, and the looks between them.
STEPS = [
    *((operation, 1) for operation in WRITES),
    *(("PutObject", number) for number in (2, 3, 4, 7)),
    ("DescribeTransformJob", 2),
    ("DescribeTransformJob", 4),
    ("GetObject", 1),
    ("GetObject", 4),
]


def killed(cloud: Cloud, operation: str, number: int, *arguments: str | Path) -> None:
    """Runs `batch` and kills it when AWS has done an operation so often and the process has not heard of it."""
    rules = [Rule(operation, times=number - 1), Rule(operation, hold=True, times=1)]
    cloud.rules += rules
    running = subprocess.Popen(line(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert rules[1].reached.wait(60), f"{operation} was not called {number} times"
    finally:
        running.kill()
        running.wait()
        rules[1].release.set()
        cloud.rules.clear()


@pytest.fixture
def order(wanted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a `batch`."""
    small_shards(monkeypatch)
    return [str(in_folder(tmp_path / "images", contents())), str(tmp_path / "out.jsonl"), "--yes", *wanted]


@pytest.mark.parametrize(("operation", "number"), STEPS)
def test_killed_and_run_again_ends_whole_and_leaves_nothing(
    cloud: Cloud, deploy: Deploy, order: list[str], tmp_path: Path, operation: str, number: int
) -> None:
    killed(cloud, operation, number, *order)
    again = deploy("batch", *order)
    assert again.code == 0, again
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == COUNT
    assert len(cloud.plane.transforms.jobs) == 1
    assert leftovers(cloud) == []
    assert sorted(tmp_path.glob("out*")) == [tmp_path / "out.jsonl"]


@pytest.mark.parametrize(("operation", "number"), STEPS)
def test_killed_and_abandoned_leaves_nothing(
    cloud: Cloud, deploy: Deploy, order: list[str], operation: str, number: int
) -> None:
    killed(cloud, operation, number, *order)
    abandoned = deploy("batch", *order, "--abandon")
    assert abandoned.code == 0, abandoned
    assert leftovers(cloud) == []


def test_these_are_all_the_steps(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("batch", *order)
    assert list(dict.fromkeys(cloud.operations)) == WRITES
    counted = {operation: [call.operation for call in cloud.calls].count(operation) for operation, _ in STEPS}
    assert (counted["PutObject"], counted["GetObject"]) == (7, 6)
    assert counted["DescribeTransformJob"] >= 4
