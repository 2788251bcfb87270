"""botocore's own models of AWS, used from the other side: what a request may hold, what an answer must."""

import re
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator


@cache
def service(name: str) -> ServiceModel:
    """A service as botocore describes it."""
    return botocore.session.get_session().get_service_model(name)


def request_faults(operation: str, request: dict[str, Any]) -> list[str]:
    """What SageMaker would not take: missing or unknown members, wrong types, lengths, patterns, enums."""
    shape = service("sagemaker").operation_model(operation).input_shape
    return [*structure_faults(shape, request), *limit_faults(shape, request, operation)] if shape else []


def answer_faults(operation: str, answer: dict[str, Any]) -> list[str]:
    """What boto3 would not understand of an answer of ours."""
    shape = service("sagemaker").operation_model(operation).output_shape
    return structure_faults(shape, answer) if shape else (["an answer where there is none"] if answer else [])


def structure_faults(shape: Shape, value: dict[str, Any]) -> list[str]:
    """Missing and unknown members, wrong types."""
    report = ParamValidator().validate(value, shape)
    return [report.generate_report()] if report.has_errors() else unknown_members(shape, value)


def unknown_members(shape: Any, value: Any) -> list[str]:
    """Members that the model does not have."""
    if shape.type_name == "structure":
        strangers = [f"unknown {key}" for key in value if key not in shape.members]
        return strangers + [
            f for key, v in value.items() if key in shape.members for f in unknown_members(shape.members[key], v)
        ]
    if shape.type_name == "list":
        return [fault for item in value for fault in unknown_members(shape.member, item)]
    return []


def limit_faults(shape: Any, value: Any, where: str) -> list[str]:
    """Lengths, patterns and enums, which boto3 leaves to the service."""
    if shape.type_name == "structure":
        return [f for key, v in value.items() if key in shape.members for f in limit_faults(shape.members[key], v, key)]
    if shape.type_name == "list":
        return [fault for item in value for fault in limit_faults(shape.member, item, where)]
    if shape.type_name == "string":
        return string_faults(shape, value, where)
    return []


def string_faults(shape: Any, value: str, where: str) -> list[str]:
    """A string against its enum, pattern and length."""
    limits = shape.metadata
    if "enum" in limits and value not in limits["enum"]:
        return [f"{where} {value!r} is not one of the enum"]
    if not limits.get("min", 0) <= len(value) <= limits.get("max", 1 << 30):
        return [f"{where} {value!r} is too long or too short"]
    pattern = limits.get("pattern", ".*").replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
    return [] if re.fullmatch(pattern, value) else [f"{where} {value!r} does not match {pattern}"]


def jsonable(value: Any) -> Any:
    """Seconds for dates, as the JSON protocol has them."""
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(type(value).__name__)
