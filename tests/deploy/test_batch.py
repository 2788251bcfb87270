"""`batch`: images in a folder, a bucket or a manifest become rows by a transform job, and nothing of it is left."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from deploy.batch.price import Work, price
from deploy.batch.transform import Machines
from deploy.cost.prices import read_prices
from tests.deploy import moto_side
from tests.deploy.bulk import BROKEN, COUNT, SHARD, TURNED, WRITES, contents, in_bucket, in_folder, small_shards
from tests.deploy.cloud import ACCOUNT, REGION, Cloud, Rule
from tests.deploy.commands import Answer, Deploy, Weights
from tests.deploy.deployment import BUCKET
from tests.deploy.leftovers import leftovers
from tests.deploy.transforms import Job

Batch = Callable[..., Answer]


@pytest.fixture
def batch(cloud: Cloud, deploy: Deploy, wanted: list[str], monkeypatch: pytest.MonkeyPatch) -> Batch:
    """`detect-deploy batch`, confirmed, with shards of a few images."""
    small_shards(monkeypatch)
    return lambda *arguments: deploy("batch", *wanted, "--yes", *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return in_folder(tmp_path / "images", contents())


def rows(file: Path) -> list[Any]:
    return [json.loads(row) for row in file.read_text().splitlines()]


def jobs(cloud: Cloud) -> list[Job]:
    return list(cloud.plane.transforms.jobs.values())


def s3() -> Any:
    return boto3.Session(region_name=REGION).client("s3")


def test_every_file_gets_its_row_in_order_and_nothing_is_left(
    cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    answer = batch(folder, out, "--json")
    assert answer.code == 0, answer
    found = rows(out)
    assert [row["file"] for row in found] == sorted(contents())
    assert found[TURNED]["image"] == {"width": 40, "height": 30, "format": "JPEG"}
    assert found[BROKEN]["problem"]["code"] == "unsupported-picture-format"
    assert [row["count"] for row in found if "count" in row] == [1] * (COUNT - 1)
    assert found[0]["detections"][0]["box"] == {"x_min": 0.625, "y_min": 0.938, "x_max": 20.0, "y_max": 15.0}
    result = answer.json["result"]
    assert (result["files"], result["objects"], result["problems"]) == (COUNT, COUNT - 1, 1)
    assert list(dict.fromkeys(cloud.operations)) == WRITES
    assert leftovers(cloud) == []


def test_coco_results_take_the_numbers_of_the_names(batch: Batch, folder: Path, tmp_path: Path) -> None:
    assert batch(folder, tmp_path / "out.json").code == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert [one["image_id"] for one in found] == [number for number in range(COUNT) if number != BROKEN]
    assert found[0] == {"image_id": 0, "category_id": 1, "bbox": [0.625, 0.938, 19.375, 14.062], "score": 0.9}


def test_coco_results_count_files_whose_names_are_no_numbers(batch: Batch, tmp_path: Path) -> None:
    names = ("a.jpg", "b.jpg")
    folder = in_folder(tmp_path / "named", dict(zip(names, contents(2).values(), strict=False)))
    assert batch(folder, tmp_path / "out.json").code == 0
    assert [one["image_id"] for one in json.loads((tmp_path / "out.json").read_text())] == [1, 2]


def test_a_prefix_in_s3_becomes_a_prefix_in_s3_that_says_when_it_is_whole(cloud: Cloud, batch: Batch) -> None:
    source = in_bucket(contents())
    assert batch(source, "s3://images/out").code == 0
    keys = moto_side.newest(ACCOUNT, "images", "out/")
    assert keys == [f"images/out/{n}" for n in ("000000.jsonl", "000001.jsonl", "000002.jsonl", "_SUCCESS")]
    first = s3().get_object(Bucket="images", Key="out/000000.jsonl")["Body"].read().splitlines()
    assert [json.loads(row)["file"] for row in first] == [f"in/{name}" for name in sorted(contents())[:SHARD]]
    assert [left for left in leftovers(cloud) if not left.startswith("images/")] == []


@pytest.mark.parametrize("lines", [True, False])
def test_a_manifest_names_images_wherever_they_are(batch: Batch, tmp_path: Path, lines: bool) -> None:
    source, names = in_bucket(contents()), sorted(contents())[:2]
    manifest = tmp_path / "some.manifest"
    listed = [json.dumps({"source-ref": source + name}) for name in names]
    manifest.write_text("\n".join(listed) if lines else json.dumps([{"prefix": source}, *names]))
    assert batch(manifest, tmp_path / "out.jsonl").code == 0
    found = rows(tmp_path / "out.jsonl")
    assert [row["file"] for row in found] == [source + name for name in names]
    assert all(row["count"] == 1 for row in found)


def test_an_image_that_the_manifest_names_and_nobody_has_is_a_problem(batch: Batch, tmp_path: Path) -> None:
    source = in_bucket(contents())
    manifest = tmp_path / "some.jsonl"
    names = (f"{source}none.jpg", "none.jpg", source + min(contents()))
    manifest.write_text("".join(json.dumps({"source-ref": name}) + "\n" for name in names))
    assert batch(manifest, tmp_path / "out.jsonl").code == 0
    assert ["problem" in row for row in rows(tmp_path / "out.jsonl")] == [True, True, False]


def test_many_lines_go_in_one_request_and_several_instances_share_the_shards(
    cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path
) -> None:
    assert batch(folder, tmp_path / "out.jsonl", "--instances", "9", "--instance-type", "ml.m7i.2xlarge").code == 0
    (job,) = jobs(cloud)
    assert job.asked["TransformResources"] == {"InstanceType": "ml.m7i.2xlarge", "InstanceCount": 3}
    assert (job.asked["MaxConcurrentTransforms"], job.asked["MaxPayloadInMB"]) == (8, 1)
    assert len(job.requests) == 3
    assert len(rows(tmp_path / "out.jsonl")) == COUNT


def test_files_of_which_none_is_an_image_start_no_machine(cloud: Cloud, batch: Batch, tmp_path: Path) -> None:
    folder = in_folder(tmp_path / "texts", {"a.txt": b"no", "b.txt": b"neither"})
    assert batch(folder, tmp_path / "out.jsonl").code == 0
    assert [row["problem"]["code"] for row in rows(tmp_path / "out.jsonl")] == ["unsupported-picture-format"] * 2
    assert jobs(cloud) == []
    assert leftovers(cloud) == []


def test_a_line_that_the_model_refuses_is_a_problem_and_fails_nothing(
    batch: Batch, folder: Path, weights: Weights, tmp_path: Path
) -> None:
    assert batch(folder, tmp_path / "out.jsonl", "--model-dir", weights("other", answer="problem")).code == 0
    problems = [row["problem"] for row in rows(tmp_path / "out.jsonl")]
    assert problems[0] == {
        "code": "endpoint-failed",
        "title": "The model failed on this image",
        "detail": "the JPEG is truncated",
    }


def test_a_job_that_failed_is_explained_and_the_next_run_sends_only_what_has_no_answer(
    cloud: Cloud, batch: Batch, folder: Path, weights: Weights, tmp_path: Path
) -> None:
    command = (folder, tmp_path / "out.jsonl", "--model-dir", weights("weak", answers=1))
    failed = batch(*command, "--json")
    assert failed.code == 14
    assert "ClientError" in failed.json["error"]["message"]
    assert any("Bad HTTP status received from algorithm: 500" in row for row in failed.json["error"]["log"])
    assert not (tmp_path / "out.jsonl").exists()
    assert batch(*command).code == 14
    assert batch(*command).code == 0
    assert [job.name[-3:] for job in jobs(cloud)] == ["001", "002", "003"]
    assert len(jobs(cloud)[2].requests) == 1
    assert len(rows(tmp_path / "out.jsonl")) == COUNT
    assert leftovers(cloud) == []


def test_a_job_that_somebody_stopped_is_gone_on_with(cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path) -> None:
    cloud.plane.slowness = 1 << 30
    rule = Rule("DescribeTransformJob", hold=True, times=1)
    cloud.rules.append(rule)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(batch, folder, tmp_path / "out.jsonl")
        assert rule.reached.wait(60)
        boto3.Session(region_name=REGION).client("sagemaker").stop_transform_job(TransformJobName=jobs(cloud)[0].name)
        rule.release.set()
        stopped = running.result(60)
    assert stopped.code == 14
    assert "Stopped" in stopped.err
    cloud.plane.slowness = 1
    assert batch(folder, tmp_path / "out.jsonl").code == 0
    assert leftovers(cloud) == []


def test_a_job_that_is_still_at_work_is_waited_for_and_not_made_twice(
    cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path
) -> None:
    cloud.plane.slowness = 1 << 30
    assert batch(folder, tmp_path / "out.jsonl", "--timeout-minutes", "0.01").code == 12
    jobs(cloud)[0].looks = 3
    assert batch(folder, tmp_path / "out.jsonl").code == 0
    assert len(jobs(cloud)) == 1


def test_an_abandoned_job_is_stopped_and_leaves_nothing(
    cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path
) -> None:
    cloud.plane.slowness = 1 << 30
    assert batch(folder, tmp_path / "out.jsonl", "--timeout-minutes", "0.01").code == 12
    assert batch(folder, tmp_path / "out.jsonl", "--abandon").code == 0
    assert jobs(cloud)[0].status == "Stopped"
    assert leftovers(cloud) == []


def test_a_second_run_of_a_job_that_is_done_does_nothing(
    cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path
) -> None:
    assert batch(folder, tmp_path / "out.jsonl").code == 0
    cloud.calls.clear()
    again = batch(folder, tmp_path / "out.jsonl")
    assert again.code == 0
    assert "earlier run" in again.out
    assert len(jobs(cloud)) == 1
    assert not {"PutObject", "CreateModel", "CreateTransformJob"} & set(cloud.operations)


def test_without_its_output_the_same_job_is_done_again(
    cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        assert batch(folder, tmp_path / "out.jsonl").code == 0
        assert len(rows(tmp_path / "out.jsonl")) == COUNT
        (tmp_path / "out.jsonl").unlink()
    assert len(jobs(cloud)) == 2


def test_what_changes_in_the_input_between_two_runs_is_packed_anew(
    cloud: Cloud, batch: Batch, folder: Path, weights: Weights, tmp_path: Path
) -> None:
    command = (folder, tmp_path / "out.jsonl", "--model-dir", weights("weak", answers=1))
    assert batch(*command).code == 14
    last = folder / max(contents())
    last.write_bytes(b"no image any more")
    for _ in range(2):
        code = batch(*command).code
    assert code == 0
    assert "problem" in rows(tmp_path / "out.jsonl")[-1]
    assert len(rows(tmp_path / "out.jsonl")) == COUNT


def test_nothing_is_made_before_the_plan_is_confirmed(
    cloud: Cloud, deploy: Deploy, wanted: list[str], folder: Path, tmp_path: Path
) -> None:
    answer = deploy("batch", folder, tmp_path / "out.jsonl", "--json", *wanted)
    assert answer.code == 3
    assert cloud.operations == []


def test_the_plan_names_the_price_first_and_touches_nothing(cloud: Cloud, batch: Batch) -> None:
    source = in_bucket(contents())
    cloud.calls.clear()
    command = (source, "s3://images/out/", "--plan", "--json", "--instances", "2", "--throughput", "0.01")
    plan = batch(*command).json
    hours = (COUNT / 0.02 + 300) / 3600
    assert plan["cost"]["hours"] == pytest.approx(hours)
    assert plan["cost"]["total"] == pytest.approx(hours * 2 * 0.102 + COUNT * 4e-7)
    assert f"{REGION}, where they differ" in plan["cost"]["note"]
    assert set(plan["policies"]) == {"runner", "execution", "boundary"}
    assert cloud.operations == []


def test_a_million_images_cost_less_than_a_dollar() -> None:
    work = Work(1_000_000, ("s3-get",), REGION)
    found = price(read_prices(), Machines("ml.c6i.large", 1), work, None)
    assert found.total is not None
    assert found.total < 1
    assert 4.5 < found.hours < 5


@pytest.fixture
def role(cloud: Cloud) -> str:
    """A role of the operator's own, which may read and write everywhere."""
    who = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = boto3.Session(region_name=REGION).client("iam")
    iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    return "theirs"


@pytest.mark.parametrize("manifest", [False, True])
def test_raw_images_are_transformed_where_they_lie(cloud: Cloud, batch: Batch, role: str, manifest: bool) -> None:
    source = in_bucket(contents(2))
    if manifest:
        listed = json.dumps([{"prefix": source}, *contents(2)])
        s3().put_object(Bucket="images", Key="in.manifest", Body=listed.encode())
        source = "s3://images/in.manifest"
    assert batch(source, "s3://images/out/", "--raw", "--role", role).code == 0
    keys = moto_side.newest(ACCOUNT, "images", "out/")
    assert len(keys) == len(contents(2))
    answer = json.loads(s3().get_object(Bucket="images", Key=keys[0].partition("/")[2])["Body"].read())
    assert answer["frame"] == "image"
    again = batch(source, "s3://images/out/", "--raw", "--role", role)
    assert "earlier run" in again.out
    assert len(jobs(cloud)) == 1
    assert not [left for left in leftovers(cloud) if BUCKET in left or left.startswith("model")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{folder}", "{folder}/out.jsonl"), "lies in INPUT"),
        (("s3://images/in", "s3://images/in/out"), "lies in INPUT"),
        (("{folder}", "{folder}/.."), "is a folder"),
        (("{folder}", "{here}/taken.jsonl"), "is there already"),
        (("{here}/empty", "{here}/out.jsonl"), "no files"),
        (("{here}/taken.jsonl", "{here}/out.jsonl"), "no manifest"),
        (("{folder}", "{here}/out.jsonl", "--instance-type", "ml.c5.large"), "c6i, c7i, m6i, m7i"),
        (("{folder}", "{here}/out.jsonl", "--instance-type", "ml.c7g.large"), "--target graviton"),
        (("{folder}", "{here}/out.jsonl", "--raw"), "--raw reads and writes S3"),
        (("s3://images/in/", "s3://images/out/", "--raw"), "--role"),
        (("{folder}", "{here}/out.jsonl", "--endpoint-name", "a" * 45), "50 at most"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_touched(
    cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    in_bucket(contents(2))
    (tmp_path / "taken.jsonl").write_text("something else\n")
    (tmp_path / "empty").mkdir()
    cloud.calls.clear()
    answer = batch(*(argument.format(folder=folder, here=tmp_path) for argument in arguments))
    assert answer.code == 2, answer
    assert words in " ".join(answer.err.split())
    assert cloud.operations == []


def test_a_quota_of_zero_is_said_to_be_one(cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path) -> None:
    cloud.plane.quotas["ml.c6i.large"] = 0
    answer = batch(folder, tmp_path / "out.jsonl")
    assert answer.code == 6
    assert "for transform job usage" in " ".join(answer.err.split())


def test_eventual_consistency_is_waited_for(cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path) -> None:
    cloud.plane.lag = 2
    assert batch(folder, tmp_path / "out.jsonl").code == 0
    assert cloud.operations.count("CreateTransformJob") == 3


def test_a_container_that_crashes_is_explained_with_its_log(
    batch: Batch, folder: Path, weights: Weights, tmp_path: Path
) -> None:
    answer = batch(folder, tmp_path / "out.jsonl", "--json", "--model-dir", weights("bad", crash="MemoryError"))
    assert answer.code == 14
    assert "out of memory" in answer.json["error"]["hint"]
    assert answer.json["error"]["log"] == ["MemoryError"]


def test_an_output_that_cannot_be_written_leaves_the_answers_in_s3(batch: Batch, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert batch(folder, tmp_path / "file" / "out.jsonl").code == 2
    (tmp_path / "file").unlink()
    assert batch(folder, tmp_path / "file" / "out.jsonl").code == 0


def test_an_object_that_aws_does_not_delete_is_named(cloud: Cloud, batch: Batch, folder: Path, tmp_path: Path) -> None:
    cloud.rules.append(Rule("DeleteObjects", "AccessDenied", "no", status=403))
    answer = batch(folder, tmp_path / "out.jsonl", "--json")
    assert answer.code == 5
    assert "s3:DeleteObjectVersion" in json.dumps(answer.json["error"]["documents"])
    cloud.rules.clear()
    assert batch(folder, tmp_path / "out.jsonl").code == 0
    assert leftovers(cloud) == []
