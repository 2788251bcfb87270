"""How an endpoint is: its state, its machines, its last hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy import names
from deploy.aws import Aws, call
from deploy.configuration import kept_back
from deploy.endpoint import Endpoint, existing
from deploy.scaling import tracked

HOUR = 3600
# What is asked of CloudWatch: name → metric, statistic, factor. ModelLatency comes in microseconds.
METRICS = {
    "invocations": ("Invocations", "Sum", 1.0),
    "errors_4xx": ("Invocation4XXErrors", "Sum", 1.0),
    "errors_5xx": ("Invocation5XXErrors", "Sum", 1.0),
    "latency_p50_ms": ("ModelLatency", "p50", 0.001),
    "latency_p90_ms": ("ModelLatency", "p90", 0.001),
}


def status(aws: Aws, name: str) -> dict[str, Any]:
    """State, variant, instances, scaling and last hour's numbers. Raises NotFound, NotOurs."""
    endpoint = existing(aws, name)
    bounds = tracked(aws, name)
    return {
        "endpoint": endpoint.name,
        "status": endpoint.status,
        "failure": endpoint.failure,
        "configuration": endpoint.config,
        "kept_back": kept_back(aws, endpoint.config),
        "variant": variant(aws, endpoint),
        "scaling": bounds and dict(zip(("min", "max"), bounds, strict=True)),
        "last_hour": last_hour(aws, name),
    }


def variant(aws: Aws, endpoint: Endpoint) -> dict[str, Any]:
    """What the endpoint runs on, as configured and as it is."""
    config = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=endpoint.config)
    wanted: Any = dict(config["ProductionVariants"][0])
    return {
        "name": wanted["VariantName"],
        "model": wanted["ModelName"],
        "instance_type": wanted.get("InstanceType"),
        "accelerator": wanted.get("AcceleratorType"),
        "serverless": wanted.get("ServerlessConfig"),
        "instances": endpoint.variant.get("CurrentInstanceCount"),
        "instances_desired": endpoint.variant.get("DesiredInstanceCount"),
    }


def last_hour(aws: Aws, name: str) -> dict[str, float | None]:
    """CloudWatch's numbers; counts are 0 and latencies None where nothing was asked."""
    now = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    queries: Any = [query(key, name) for key in METRICS]
    answer = call(
        aws.cloudwatch.get_metric_data, MetricDataQueries=queries, StartTime=now - timedelta(seconds=HOUR), EndTime=now
    )
    found = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
    return {key: number(key, found.get(key, [])) for key in METRICS}


def query(key: str, name: str) -> dict[str, Any]:
    """One question to CloudWatch."""
    metric, statistic, _ = METRICS[key]
    about = {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": names.dimensions(name)}
    return {"Id": key, "MetricStat": {"Metric": about, "Period": HOUR, "Stat": statistic}}


def number(key: str, values: list[float]) -> float | None:
    """The hour's number in our unit. CloudWatch may cut the hour in two: counts add up, the worse latency counts."""
    _, statistic, factor = METRICS[key]
    if statistic == "Sum":
        return sum(values) * factor
    return max(values) * factor if values else None
