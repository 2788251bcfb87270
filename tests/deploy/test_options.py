"""Networks, keys, captures, tags and provisioned concurrency: in the plan, at SageMaker, and kept by an update."""

from pathlib import Path

import boto3
import pytest

from tests.deploy import moto_side
from tests.deploy.access import Access, allows
from tests.deploy.bulk import contents, in_folder
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import Deploy, Weights

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
INTERFACE = f"arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/eni-1"
VPC = ("--subnet", "subnet-1", "--subnet", "subnet-2", "--security-group", "sg-1", "--network-isolation")
CAPTURE = ("--capture-to", "s3://captured/here", "--capture-percent", "10")
OPTIONS = (*VPC, *CAPTURE, "--kms-key", KEY, "--tag", "team=vision", "--tag", "cost=7")


def newest(cloud: Cloud, kind: str) -> dict[str, object]:
    """What SageMaker was told last of a kind."""
    return [item for (found, _), item in cloud.plane.items.items() if found == kind][-1].content


def check_all(cloud: Cloud) -> None:
    """Every option is at SageMaker."""
    model, config = newest(cloud, "model"), newest(cloud, "endpoint-config")
    assert model["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert model["EnableNetworkIsolation"] is True
    assert config["KmsKeyId"] == KEY
    capture = config["DataCaptureConfig"]
    assert isinstance(capture, dict)
    assert (capture["DestinationS3Uri"], capture["InitialSamplingPercentage"]) == ("s3://captured/here", 10)


def test_every_option_is_in_the_plan_at_sagemaker_and_kept_by_an_update(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    plan = deploy("plan", "--json", *order[3:], *OPTIONS).json
    notes = " ".join(step["note"] for step in plan["plan"])
    for word in ("subnet-1", "network isolation", KEY, "10 % captured to s3://captured/here", "team=vision, cost=7"):
        assert word in notes
    assert allows([plan["policies"]["execution"]], Access("s3:PutObject", "arn:aws:s3:::captured/here/x"))
    assert allows([plan["policies"]["execution"]], Access("ec2:CreateNetworkInterface", INTERFACE))
    assert allows([plan["policies"]["deployer"]], Access("kms:CreateGrant", KEY))
    assert deploy("up", *order, *OPTIONS).code == 0
    check_all(cloud)
    assert deploy("update", *order, "--model-dir", weights("second")).code == 0
    check_all(cloud)
    for item in cloud.plane.items.values():
        assert {"team": "vision", "cost": "7"}.items() <= item.tags.items()
    logs = boto3.Session(region_name=REGION).client("logs")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/detect-gateway"
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"]["team"] == "vision"


def test_an_update_of_the_tags_alone_reaches_what_is_there_and_is_kept(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    assert deploy("up", *order).code == 0
    assert deploy("update", "--yes", "--no-smoke", "--tag", "team=vision").code == 0
    assert [item.tags.get("team") for item in cloud.plane.items.values()] == ["vision"] * 3
    assert deploy("update", *order, "--model-dir", weights("second"), "--canary", "10").code == 0
    assert {item.tags.get("team") for item in cloud.plane.items.values()} == {"vision"}
    cloudwatch, alarms = boto3.Session(region_name=REGION).client("cloudwatch"), moto_side.alarms(ACCOUNT, REGION)
    assert len(alarms) == 2
    for name in alarms:
        tags = cloudwatch.list_tags_for_resource(ResourceARN=f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}")
        assert {"Key": "team", "Value": "vision"} in tags["Tags"]


@pytest.mark.parametrize(
    "options",
    [
        ("up", "--memory-mb", "3072"),
        ("up", "--concurrency", "3"),
        ("up", "--target", "serverless", "--instances", "2"),
        ("up", "--capture-percent", "10"),
        ("update", "--memory-mb", "3072"),
        ("update", "--code-dir", "elsewhere"),
        ("update", "--bucket", "elsewhere"),
        ("update", "--canary-minutes", "9"),
        ("update", "--back", "--instances", "2"),
        ("update", "--back", "--canary", "10"),
        ("scale", "--instances", "2", "--min", "2"),
        ("scale", "--off", "--invocations", "60"),
    ],
    ids=" ".join,
)
def test_an_option_that_would_do_nothing_is_refused(
    cloud: Cloud, deploy: Deploy, order: list[str], options: tuple[str, ...]
) -> None:
    command, *given = options
    if command != "up":
        assert deploy("up", *order).code == 0
        order = ["--yes"]
    cloud.calls.clear()
    answer = deploy(command, *order, *given)
    assert answer.code == 2, answer
    assert cloud.operations == []


def test_provisioned_concurrency_is_serverless(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    options = ("--target", "serverless", "--concurrency", "10", "--provisioned-concurrency", "2")
    up = deploy("up", "--json", *order, *options)
    assert up.code == 0, up
    assert "2 always ready" in up.json["plan"][5]["note"]
    assert deploy("status", "--json").json["variant"]["serverless"]["ProvisionedConcurrency"] == 2
    assert deploy("scale", "--concurrency", "20", "--yes").code == 0
    assert deploy("status", "--json").json["variant"]["serverless"]["ProvisionedConcurrency"] == 2
    assert "2 always ready, by the hour besides" in up.json["cost"]["note"]
    assert deploy("update", *order, "--target", "cpu").code == 0  # which has none


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--subnet", "subnet-1"), "--security-group"),
        (("--target", "serverless", "--network-isolation"), "serverless"),
        (("--target", "serverless", "--capture-to", "s3://captured/x"), "serverless"),
        (("--target", "mxnet", "--network-isolation"), "GluonCV"),
        (("--kms-key", "alias/mine"), "ARN"),
        (("--kms-key", KEY, "--instance-type", "ml.c5d.large"), "c5d"),
        (("--capture-to", "/here"), "s3://"),
        (("--capture-percent", "0"), "1 to 100"),
        (("--provisioned-concurrency", "2"), "serverless"),
        (("--target", "serverless", "--provisioned-concurrency", "6"), "--concurrency"),
        (("--tag", "team"), "KEY=VALUE"),
    ],
)
def test_what_sagemaker_would_not_take_is_refused(
    cloud: Cloud, deploy: Deploy, order: list[str], options: tuple[str, ...], words: str
) -> None:
    arguments = [option for option in order if not option.startswith("--image") and ".dkr." not in option]
    image = order[order.index("--image") : order.index("--image") + 2] if "mxnet" not in options else []
    answer = deploy("up", *arguments, *image, *options)
    assert answer.code == 2, answer
    assert words in " ".join(answer.err.split())
    assert not [call for call in cloud.calls if call.changes]


def test_a_batch_job_has_the_network_and_the_key_in_its_plan_its_policies_and_at_sagemaker(
    cloud: Cloud, deploy: Deploy, wanted: list[str], tmp_path: Path
) -> None:
    folder = in_folder(tmp_path / "images", contents(2))
    command: list[str | Path] = ["batch", *wanted, "--yes", *VPC, "--kms-key", KEY, folder, tmp_path / "out.jsonl"]
    plan = deploy(*command, "--plan", "--json").json
    notes = " ".join(step["note"] for step in plan["plan"])
    assert all(word in notes for word in ("subnet-1", "network isolation", f"encrypted with {KEY}"))
    assert allows([plan["policies"]["execution"]], Access("ec2:CreateNetworkInterface", INTERFACE))
    assert allows([plan["policies"]["boundary"]], Access("ec2:CreateNetworkInterface", INTERFACE))
    assert allows([plan["policies"]["runner"]], Access("kms:CreateGrant", KEY))
    cloud.plane.slowness = 1 << 30
    assert deploy(*command, "--timeout-minutes", "0.01").code == 12
    model, (job,) = newest(cloud, "model"), cloud.plane.transforms.jobs.values()
    assert model["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert model["EnableNetworkIsolation"] is True
    assert job.asked["TransformResources"]["VolumeKmsKeyId"] == KEY
    assert deploy("batch", *wanted, "--kms-key", "mine", folder, tmp_path / "out.jsonl").code == 2
