"""What cannot be is refused before AWS hears of it; Elastic Inference stays complete and says the truth."""

from pathlib import Path

import pytest
from botocore.session import get_session

from deploy.errors import Refused
from deploy.targets import ACCELERATORS, IMAGE_ACCOUNTS, TARGETS
from deploy.wish import Wish
from tests.deploy.cloud import Cloud
from tests.deploy.commands import Deploy, Weights
from tests.deploy.deployment import IMAGE

LEGACY = "--legacy-elastic-inference"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "moon"), "no target moon"),
        (("--target", "eia"), "no longer offers"),
        (("--target", "serverless", "--accelerator", "ml.eia2.medium", LEGACY), "serverless"),
        (("--target", "cpu", "--accelerator", "ml.eia2.medium", LEGACY), "--target eia"),
        (("--target", "eia", "--accelerator", "ml.eia9.medium", LEGACY), "no accelerator"),
        (("--target", "serverless", "--instance-type", "ml.g4dn.xlarge"), "no GPU"),
        (("--target", "serverless", "--instance-type", "ml.c6i.large"), "no instance type"),
        (("--target", "cpu", "--instance-type", "ml.c7g.large"), "--target graviton"),
        (("--target", "graviton", "--instance-type", "ml.g4dn.xlarge"), "--target gpu"),
        (("--target", "gpu", "--instance-type", "ml.p2.xlarge"), "cannot run on"),
        (("--target", "gpu", "--instance-type", "ml.g6.xlarge"), "cannot run on"),
        (("--target", "gpu", "--instance-type", "ml.p5.48xlarge"), "cannot run on"),
        (("--target", "cpu", "--instance-type", "c6i.large"), "look like"),
        (("--target", "serverless", "--payload-mb", "4.1"), "limit of 4 MB"),
        (("--payload-mb", "6.5"), "limit of 6 MB"),
        (("--target", "serverless", "--memory-mb", "2000"), "Serverless memory"),
        (("--target", "serverless", "--concurrency", "201"), "1 to 200"),
        (("--instances", "0"), "at least one"),
        (("--endpoint-name", "no_underscore"), "no endpoint name"),
        (("--endpoint-name", "x" * 51), "50 at most"),
        (("--env", "KEY"), "KEY=VALUE"),
        (("--empty-artifact",), "exclude each other"),
    ],
)
def test_what_cannot_be_is_refused_before_any_change(
    cloud: Cloud, deploy: Deploy, order: list[str], options: tuple[str, ...], words: str
) -> None:
    answer = deploy("up", *order, *options)
    assert answer.code == 2, answer
    assert words in " ".join(answer.err.split())
    assert not [call for call in cloud.calls if call.service != "sts"]


@pytest.mark.parametrize(
    ("target", "file", "fits"),
    [
        ("cpu", "model.onnx", True),
        ("cpu", "model.params", False),
        ("mxnet", "model.params", True),
        ("mxnet", "model.onnx", False),
        ("eia", "model.onnx", False),
        ("eia", "model-symbol.json", True),
    ],
)
def test_weights_go_only_where_they_are_read(
    deploy: Deploy, hooks: Path, tmp_path: Path, target: str, file: str, fits: bool
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / file).write_bytes(b"weights")
    options = ("--target", target, "--image", IMAGE, "--model-dir", folder, "--code-dir", hooks, LEGACY)
    answer = deploy("plan", *options)
    assert answer.code == (0 if fits else 2)


def test_the_empty_artifact_is_for_containers_that_fetch_weights(deploy: Deploy, hooks: Path) -> None:
    options = ("--image", IMAGE, "--empty-artifact", "--code-dir", hooks)
    assert deploy("plan", *options, "--target", "mxnet").code == 0
    assert deploy("plan", *options, "--target", "cpu").code == 2


def test_our_own_image_has_to_be_named(deploy: Deploy, weights: Weights, hooks: Path) -> None:
    answer = deploy("plan", "--model-dir", weights(), "--code-dir", hooks)
    assert answer.code == 2
    assert "--image" in answer.err


def test_elastic_inference_is_complete_where_aws_takes_it(
    cloud: Cloud, deploy: Deploy, weights: Weights, hooks: Path
) -> None:
    cloud.plane.elastic_inference = True
    options = ("--target", "eia", LEGACY, "--yes", "--model-dir", weights(), "--code-dir", hooks, "--requests", "0")
    assert deploy("up", *options, "--accelerator", "ml.eia2.large").code == 0
    assert deploy("status", "--json").json["variant"]["accelerator"] == "ml.eia2.large"
    model = next(item for (kind, _), item in cloud.plane.items.items() if kind == "model")
    container = model.content["PrimaryContainer"]
    assert container["Image"].endswith(".dkr.ecr.eu-west-1.amazonaws.com/mxnet-inference-eia:1.7.0-cpu-py3")
    assert container["Environment"] == {"SAGEMAKER_PROGRAM": "inference.py"}


def test_awss_refusal_of_elastic_inference_becomes_the_explanation(
    cloud: Cloud, deploy: Deploy, weights: Weights, hooks: Path
) -> None:
    options = ("--target", "eia", LEGACY, "--yes", "--model-dir", weights(), "--code-dir", hooks)
    answer = deploy("up", "--json", *options, "--rollback")
    assert answer.code == 7
    message = answer.json["error"]["message"]
    assert "15 April 2023" in message
    assert "--target cpu" in message
    assert answer.json["error"]["left"] == []


def test_every_row_of_the_table_is_something_that_sagemaker_knows() -> None:
    model = get_session().get_service_model("sagemaker")
    machines = model.shape_for("ProductionVariantInstanceType").enum  # type: ignore[attr-defined]
    families = {machine.split(".")[1] for machine in machines}
    for target in TARGETS.values():
        assert target.instance_type is None or target.instance_type in machines
        assert set(target.families) <= families, target.name
    assert set(ACCELERATORS) == set(model.shape_for("ProductionVariantAcceleratorType").enum)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "763104351884.dkr.ecr.us-east-1.amazonaws.com"),
        ("eu-south-1", "692866216735.dkr.ecr.eu-south-1.amazonaws.com"),
        ("il-central-1", "780543022126.dkr.ecr.il-central-1.amazonaws.com"),
        ("ap-southeast-4", "457447274322.dkr.ecr.ap-southeast-4.amazonaws.com"),
        ("us-gov-east-1", "446045086412.dkr.ecr.us-gov-east-1.amazonaws.com"),
        ("cn-north-1", "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "886529160074.dkr.ecr.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "094389454867.dkr.ecr.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_awss_images_come_from_the_regions_own_registry(region: str, host: str) -> None:
    wish = Wish("x", TARGETS["mxnet"])
    assert wish.image_uri(region) == f"{host}/mxnet-inference:1.9.0-cpu-py38"


def test_a_region_whose_registry_is_not_known_is_refused() -> None:
    with pytest.raises(Refused, match="mars-north-1"):
        Wish("x", TARGETS["mxnet"]).image_uri("mars-north-1")


def test_every_account_of_awss_has_twelve_digits() -> None:
    assert all(len(account) == 12 and account.isdigit() for account in IMAGE_ACCOUNTS.values())
