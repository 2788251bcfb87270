"""`scale`, `status`, `logs`, `smoke`: what an operator does with an endpoint that is there."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from PIL import Image

from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import Deploy, Weights
from tests.deploy.moto_side import write_log


@pytest.fixture
def serving(deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order).code == 0


@pytest.mark.usefixtures("serving")
class TestServing:
    def test_target_tracking_is_set_changed_and_ended(self, deploy: Deploy) -> None:
        assert deploy("scale", "--min", "1", "--max", "4", "--invocations", "900", "--yes").code == 0
        policies = (
            boto3.Session(region_name=REGION)
            .client("application-autoscaling")
            .describe_scaling_policies(ServiceNamespace="sagemaker")
        )
        tracking = policies["ScalingPolicies"][0]["TargetTrackingScalingPolicyConfiguration"]
        assert tracking["TargetValue"] == 900
        assert (
            tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
            == "SageMakerVariantInvocationsPerInstance"
        )
        deploy("scale", "--min", "2", "--max", "5", "--yes")
        assert deploy("status", "--json").json["scaling"] == {"min": 2, "max": 5}
        deploy("scale", "--off", "--yes")
        assert deploy("status", "--json").json["scaling"] is None

    def test_the_target_is_proposed_from_what_was_measured(self, deploy: Deploy, tmp_path: Path) -> None:
        bench = tmp_path / "bench.json"
        bench.write_text('{"target": "cpu", "images_per_second": 20, "latency_ms": 60}')
        scaled = deploy("scale", "--max", "4", "--bench", bench, "--yes", "--json").json["scaled"]
        assert scaled["tracking"]["invocations"] == 0.7 * 20 * 60
        latency = deploy("status", "--json").json["last_hour"]["latency_p50_ms"]
        scaled = deploy("scale", "--max", "4", "--yes", "--json").json["scaled"]
        assert scaled["tracking"]["invocations"] == pytest.approx(0.7 * 60_000 / latency, abs=1)
        bench.write_text('{"target": "gpu", "images_per_second": 20, "latency_ms": 60}')
        assert deploy("scale", "--max", "4", "--bench", bench, "--yes").code == 2

    def test_a_fixed_number_of_instances_is_reached(self, deploy: Deploy) -> None:
        assert deploy("scale", "--instances", "3", "--yes").code == 0
        assert deploy("status", "--json").json["variant"]["instances"] == 3

    def test_scaling_shows_what_it_may_cost_and_asks(self, deploy: Deploy, cloud: Cloud) -> None:
        cloud.calls.clear()
        answer = deploy("scale", "--max", "4", "--json")
        assert answer.code == 3
        assert answer.json["cost"]["maximum"]["per_hour"] == pytest.approx(4 * 0.102)
        assert cloud.operations == []

    @pytest.mark.parametrize(
        "options",
        [
            (),
            ("--max", "3", "--off"),
            ("--min", "3", "--max", "2"),
            ("--min", "0", "--max", "2"),
            ("--max", "2", "--invocations", "0"),
            ("--instances", "0"),
            ("--concurrency", "3"),
        ],
    )
    def test_an_order_that_cannot_be_followed_is_refused(
        self, deploy: Deploy, cloud: Cloud, options: tuple[str, ...]
    ) -> None:
        cloud.calls.clear()
        assert deploy("scale", "--yes", *options).code == 2
        assert cloud.operations == []

    def test_fixing_the_number_needs_autoscaling_to_be_off(self, deploy: Deploy) -> None:
        deploy("scale", "--max", "3", "--yes")
        assert deploy("scale", "--instances", "2", "--yes").code == 2

    def test_status_counts_the_last_hour(self, deploy: Deploy) -> None:
        deploy("smoke", "--requests", "3")
        hour = deploy("status", "--json").json["last_hour"]
        assert (hour["invocations"], hour["errors_4xx"], hour["errors_5xx"]) == (2 + 4, 0, 0)
        assert 0 < hour["latency_p50_ms"] <= hour["latency_p90_ms"]

    def test_logs_show_the_last_lines(self, deploy: Deploy) -> None:
        write_log(ACCOUNT, REGION, "/aws/sagemaker/Endpoints/detect-gateway", [f"line {n}" for n in range(9)])
        assert deploy("logs", "--json", "--lines", "3").json["lines"] == ["line 6", "line 7", "line 8"]

    def test_smoke_posts_the_operators_image_and_holds_it_to_their_limits(self, deploy: Deploy, tmp_path: Path) -> None:
        image = tmp_path / "image.png"
        Image.new("RGBA", (40, 30), "red").save(image)
        assert deploy("smoke", "--test-image", image, "--min-boxes", "1").code == 0
        few = deploy("smoke", "--min-boxes", "2")
        assert (few.code, "1 boxes" in few.err) == (11, True)
        assert deploy("smoke", "--max-latency-ms", "0.0001").code == 11

    def test_smoke_refuses_what_is_no_image(self, deploy: Deploy, tmp_path: Path) -> None:
        (tmp_path / "no.jpg").write_text("no")
        assert deploy("smoke", "--test-image", tmp_path / "no.jpg").code == 2

    def test_an_answer_that_breaks_the_contract_fails_the_smoke_test(
        self, deploy: Deploy, cloud: Cloud, weights: Weights, order: list[str]
    ) -> None:
        bad: list[dict[str, Any]] = [{"answer": "error"}, {"answer": "outside"}, {"score": None}]
        for number, about in enumerate(bad):
            answer = deploy("update", *order, "--model-dir", weights(f"bad{number}", **about))
            assert answer.code == 11, about


def test_serverless_scales_by_concurrency_without_instances(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order, "--target", "serverless", "--memory-mb", "3072").code == 0
    assert deploy("scale", "--max", "3", "--yes").code == 2
    assert deploy("scale", "--concurrency", "20", "--yes").code == 0
    assert deploy("status", "--json").json["variant"]["serverless"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 20}


def test_a_target_is_not_proposed_from_nothing(deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order, "--no-smoke").code == 0
    answer = deploy("scale", "--max", "3", "--yes")
    assert answer.code == 2
    assert "--invocations" in answer.err


def test_a_t2_does_not_scale(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order, "--instance-type", "ml.t2.large").code == 0
    cloud.calls.clear()
    answer = deploy("scale", "--max", "3", "--yes")
    assert answer.code == 2
    assert "t2" in answer.err
    assert cloud.operations == []


def test_status_of_an_endpoint_that_is_not_in_service_is_1(deploy: Deploy, order: list[str], weights: Weights) -> None:
    deploy("up", *order, "--model-dir", weights("bad", crash="no"))
    status = deploy("status", "--json")
    assert (status.code, status.json["status"]) == (1, "Failed")
    assert "ping" in status.json["failure"]


@pytest.mark.parametrize("command", ["status", "smoke", "scale"])
def test_a_command_on_nothing_is_8(deploy: Deploy, command: str) -> None:
    assert deploy(command).code == 8


def test_without_credentials_the_operator_is_told_in_our_words(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    answer = deploy("status")
    assert answer.code == 4
    assert "Traceback" not in answer.err
    assert "credentials" in answer.err


def test_without_a_network_the_operator_is_told_in_our_words(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert deploy("status").code == 4
