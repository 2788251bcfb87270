"""`down`: everything goes, in the order that works, and the proof is a fresh look."""

import boto3
import pytest

from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, REGION, Cloud, Rule
from tests.deploy.commands import Deploy, Weights
from tests.deploy.leftovers import count, leftovers


def test_down_waits_for_an_endpoint_that_is_being_made(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    cloud.plane.slowness = 5
    waiting = ("--timeout-minutes", "0.01", "--poll-seconds", "0.61")
    assert deploy("up", *order, *waiting).code == 12
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


def test_role_and_bucket_stay_unless_asked_for(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    deploy("down", "--yes")
    assert moto_side.roles(ACCOUNT) == ["detect-gateway-eu-west-1-detect-gateway"]
    assert moto_side.buckets(ACCOUNT) == [f"sagemaker-{REGION}-{ACCOUNT}"]
    assert deploy("down", "--yes", "--delete-role", "--delete-bucket").code == 0
    assert (moto_side.roles(ACCOUNT), moto_side.buckets(ACCOUNT)) == ([], [])


def test_a_bucket_with_others_things_is_not_removed(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    boto3.Session(region_name=REGION).client("s3").put_object(
        Bucket=f"sagemaker-{REGION}-{ACCOUNT}", Key="theirs", Body=b""
    )
    answer = deploy("down", "--json", "--yes", "--delete-bucket")
    assert answer.code == 0
    assert moto_side.objects(ACCOUNT) == [f"sagemaker-{REGION}-{ACCOUNT}/theirs"]
    assert "bucket" not in " ".join(answer.json["removed"])


def test_one_endpoints_down_leaves_anothers_alone(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    for name in ("detect", "detect-2"):
        assert deploy("up", *order, "--endpoint-name", name).code == 0
    assert deploy("down", "--yes", "--endpoint-name", "detect").code == 0
    assert deploy("smoke", "--endpoint-name", "detect-2", "--requests", "0").code == 0
    assert (count(cloud, "model"), count(cloud, "endpoint-config"), len(moto_side.objects(ACCOUNT))) == (1, 1, 1)


def test_down_twice_is_no_error(deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    assert deploy("down", "--yes").code == 0
    again = deploy("down", "--yes", "--json")
    assert (again.code, again.json["removed"]) == (0, [])


def test_down_asks_first(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    cloud.calls.clear()
    assert deploy("down").code == 3
    assert cloud.operations == []


def test_what_aws_still_shows_after_down_is_an_error_that_names_it(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    deploy("up", *order)
    cloud.rules.append(Rule("DeleteModel", "ValidationException", "Could not find model"))
    answer = deploy("down", "--json", "--yes")
    assert answer.code == 13
    assert [left.split()[0] for left in answer.json["error"]["left"]] == ["model"]


@pytest.fixture
def mess(cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights) -> None:
    """A live endpoint with one configuration kept back, a failed one, and the remains of one that somebody deleted."""
    deploy("up", *order, "--endpoint-name", "live")
    deploy("update", *order, "--endpoint-name", "live", "--model-dir", weights("second"))
    assert deploy("up", *order, "--endpoint-name", "failed", "--model-dir", weights("bad", crash="no")).code == 10
    deploy("up", *order, "--endpoint-name", "gone")
    cloud.plane.stop(cloud.plane.running.pop("gone"))
    del cloud.plane.items["endpoint", "gone"]


@pytest.mark.usefixtures("mess")
def test_all_orphans_finds_what_earlier_runs_left_and_keeps_what_lives(cloud: Cloud, deploy: Deploy) -> None:
    answer = deploy("down", "--all-orphans", "--yes", "--json")
    assert answer.code == 0, answer
    assert {name for _, name in cloud.plane.items if not name.startswith("live")} == set()
    assert (count(cloud, "endpoint-config"), count(cloud, "model"), len(moto_side.objects(ACCOUNT))) == (2, 2, 2)
    assert moto_side.log_groups(ACCOUNT, REGION) == ["/aws/sagemaker/Endpoints/live"]
    assert deploy("smoke", "--endpoint-name", "live", "--requests", "0").code == 0


@pytest.mark.usefixtures("mess")
def test_all_orphans_only_lists_until_somebody_says_yes(cloud: Cloud, deploy: Deploy) -> None:
    cloud.calls.clear()
    answer = deploy("down", "--all-orphans")
    assert answer.code == 3
    assert "failed" in answer.out
    assert "gone" in answer.out
    assert cloud.operations == []


def test_resources_without_our_tag_are_nobodys_orphans(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    for item in cloud.plane.items.values():
        item.tags.clear()
    answer = deploy("down", "--all-orphans", "--yes", "--json")
    assert not any(left.startswith(("model", "configuration", "endpoint")) for left in answer.json["removed"])


def test_artifacts_in_an_operators_own_bucket_are_found_again(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order, "--bucket", "operators-own").code == 0
    assert deploy("status").code == 0
    assert [name.split("/")[0] for name in moto_side.objects(ACCOUNT)] == ["operators-own"]
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


def test_every_version_goes_from_a_bucket_that_keeps_them(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    s3 = boto3.Session(region_name=REGION).client("s3")
    s3.create_bucket(Bucket="versioned", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    assert deploy("up", *order, "--bucket", "versioned").code == 0
    (key,) = [name.partition("/")[2] for name in moto_side.objects(ACCOUNT)]
    s3.put_object(Bucket="versioned", Key=key, Body=b"older or newer")
    s3.delete_object(Bucket="versioned", Key="detect-gateway/detect-gateway/gone")
    assert deploy("down", "--yes").code == 0
    found = s3.list_object_versions(Bucket="versioned")
    assert found.get("Versions", []) == found.get("DeleteMarkers", []) == []
    assert leftovers(cloud) == []
