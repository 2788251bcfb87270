"""Every call of `batch`, and of its job, is allowed by the policies that it prints; they allow nothing else."""

import json
import warnings
from collections.abc import Callable

import boto3
import pytest
from cloudsplaining.scan.policy_document import PolicyDocument

from tests.deploy.access import Access, Document, allows
from tests.deploy.bulk import contents, in_bucket, small_shards
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import Answer, Deploy, Weights
from tests.deploy.deployment import BUCKET, NAME
from tests.deploy.leftovers import leftovers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what setuptools is about to remove
    import parliament

JOBS = f"{NAME}-batch"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/detect-gateway-{REGION}-{JOBS}"
FILES = f"arn:aws:s3:::{BUCKET}/detect-gateway-batch"
DOCUMENTS = ("runner", "execution", "boundary")


@pytest.fixture
def batch(cloud: Cloud, deploy: Deploy, wanted: list[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """`batch` from a prefix in S3 to another."""
    small_shards(monkeypatch)
    in_bucket(contents())
    return lambda *more: deploy("batch", *wanted, "--yes", "s3://images/in/", "s3://images/out/", *more)


@pytest.fixture
def documents(batch: Callable[..., Answer]) -> dict[str, Document]:
    """What `--plan` prints."""
    found: dict[str, Document] = batch("--plan", "--json").json["policies"]
    return found


def actions(document: Document) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def test_jobs_of_every_kind_need_all_of_the_runners_policy_and_no_more(
    cloud: Cloud, batch: Callable[..., Answer], documents: dict[str, Document], weights: Weights
) -> None:
    iam = boto3.Session(region_name=REGION).client("iam")
    iam.create_policy(PolicyName="detect-gateway-boundary", PolicyDocument=json.dumps(documents["boundary"]))
    cloud.calls.clear()
    cloud.policies = [documents["runner"]]
    for instances in ("1", "2"):
        failed = batch("--model-dir", str(weights(f"weak{instances}", answers=0)), "--instances", instances)
        assert failed.code == 14, failed
    cloud.plane.slowness = 1 << 30
    assert batch("--timeout-minutes", "0.01").code == 12
    assert batch("--abandon").code == 0
    cloud.plane.slowness = 1
    assert batch().code == 0
    used = {check.action for call in cloud.calls for check in call.checks}
    # Of a role that is there already: removed by `down --delete-role`, mended after an earlier version.
    spare = {"iam:DeleteRole", "iam:DeleteRolePolicy", "iam:ListRolePolicies", "iam:PutRolePermissionsBoundary"}
    assert actions(documents["runner"]) - used == spare
    assert used <= actions(documents["runner"])


def test_beside_an_endpoint_of_the_same_name_a_job_touches_nothing_of_it(
    cloud: Cloud, deploy: Deploy, order: list[str], batch: Callable[..., Answer]
) -> None:
    assert deploy("up", *order).code == 0
    before = leftovers(cloud)
    assert batch().code == 0
    assert [left for left in leftovers(cloud) if not left.startswith("images/out/")] == before


def test_neither_down_nor_its_orphans_are_what_a_running_job_has(
    cloud: Cloud, deploy: Deploy, batch: Callable[..., Answer]
) -> None:
    cloud.plane.slowness = 1 << 30
    assert batch("--timeout-minutes", "0.01").code == 12
    before = leftovers(cloud)
    assert deploy("down", "--yes").code == 0
    assert deploy("down", "--yes", "--all-orphans").code == 0
    assert leftovers(cloud) == before


def sagemaker(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


TAGGED = {"aws:ResourceTag/detect-gateway:batch": JOBS}
OWN = {"aws:ResourceAccount": ACCOUNT}


@pytest.mark.parametrize(
    ("name", "action", "resource", "context", "yes"),
    [
        ("runner", "sagemaker:StopTransformJob", sagemaker("transform-job", f"{JOBS}-0123abcd-001"), TAGGED, True),
        ("runner", "sagemaker:StopTransformJob", sagemaker("transform-job", f"{JOBS}-0123abcd-001"), {}, False),
        ("runner", "sagemaker:DeleteModel", sagemaker("model", f"{NAME}-0123456789ab"), TAGGED, False),
        ("runner", "s3:GetObject", "arn:aws:s3:::images/in/1.jpg", {}, True),
        ("runner", "s3:GetObject", "arn:aws:s3:::images/other/1.jpg", {}, False),
        ("runner", "s3:PutObject", "arn:aws:s3:::images/in/1.jpg", {}, False),
        ("runner", "s3:DeleteObjectVersion", f"{FILES}/{JOBS}/x", {}, True),
        ("runner", "s3:DeleteObjectVersion", "arn:aws:s3:::images/out/x", {}, False),
        ("runner", "iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}, False),
        ("execution", "s3:GetObject", f"{FILES}/{JOBS}/x", {}, True),
        ("execution", "s3:GetObject", "arn:aws:s3:::images/in/1.jpg", {}, False),
        ("execution", "s3:PutObject", f"{FILES}/another-batch/x", {}, False),
        ("boundary", "s3:GetObject", f"{FILES}/{JOBS}/x", OWN, True),
        ("boundary", "s3:GetObject", f"{FILES}/{JOBS}/x", {}, False),
        ("boundary", "s3:GetObject", "arn:aws:s3:::images/in/1.jpg", OWN, False),
    ],
)
def test_each_may_do_what_is_its_own_and_nothing_else(
    documents: dict[str, Document], name: str, action: str, resource: str, context: dict[str, str], yes: bool
) -> None:
    assert allows([documents[name]], Access(action, resource, context)) is yes


def test_the_role_of_raw_images_reads_and_writes_where_they_are(cloud: Cloud, batch: Callable[..., Answer]) -> None:
    who = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = boto3.Session(region_name=REGION).client("iam")
    iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    execution = batch("--plan", "--json", "--raw", "--role", "theirs").json["policies"]["execution"]
    for action, place in (("GetObject", "in/1.jpg"), ("PutObject", "out/1.jpg.out")):
        assert allows([execution], Access(f"s3:{action}", f"arn:aws:s3:::images/{place}"))


def test_everything_that_a_job_may_do_is_within_the_boundary(documents: dict[str, Document]) -> None:
    assert actions(documents["execution"]) <= actions(documents["boundary"])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_checker_of_policies_finds_anything(documents: dict[str, Document], name: str) -> None:
    document = documents[name]
    assert len(json.dumps(document, separators=(",", ":"))) < 6144
    assert not any("*" in action for action in actions(document))
    found = parliament.analyze_policy_string(json.dumps(document)).findings
    assert [(finding.issue, finding.detail) for finding in found] == []
    policy = PolicyDocument(document)
    assert policy.allows_privilege_escalation == []
    assert policy.allows_data_exfiltration_actions == []
    assert policy.permissions_management_without_constraints == []
    assert policy.infrastructure_modification == []
