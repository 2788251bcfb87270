"""Rekognition's dialect, asked by boto3's own client with nothing changed but its address."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from api.admission.api_keys import new_key
from tests.api.conftest import Start
from tests.example_images import encoded, jpeg, scene, stored
from tests.seed_endpoint import Script, SeedEndpoint, answer, aws_error, reply

PERSON, SECOND = (0, 0.981, (128.0, 64.0, 256.0, 448.0)), (0, 0.7, (0.0, 0.0, 64.0, 64.0))
LIGHT, FAINT = (1, 0.62, (300.0, 200.0, 512.0, 512.0)), (0, 0.2, (0.0, 0.0, 100.0, 100.0))
IMAGE = {"Bytes": jpeg(1024, 256)}
ARN = "arn:aws:rekognition:eu-west-1:123456789012:project/{}/version/v1/1600000000000"
KEY, ENTRY = new_key("camera")
HEAD = {"X-Amz-Target": "RekognitionService.DetectLabels", "Content-Type": "application/x-amz-json-1.1"}
Retries = Literal["legacy", "standard", "adaptive"]
Connect = Callable[..., Any]


@pytest.fixture
def rekognition(start: Start, seed_endpoint: SeedEndpoint, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """boto3's client of a gateway with these settings; its session token, if any, is an API key."""
    seed_endpoint.script = lambda _: reply(answer(PERSON, SECOND, LIGHT, FAINT))

    def connect(token: str | None = None, retries: Retries = "legacy", **options: Any) -> Any:
        gateway = start(**{"labels": "person,traffic light", "model_name": "street", **options})
        monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", str(gateway.base_url).rstrip("/"))
        return asking(token, config=Config(retries={"mode": retries}))

    return connect


def asking(token: str | None, **options: Any) -> Any:
    """boto3's client with this session token, which it sends where it has an access key too."""
    keys: dict[str, Any] = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "aws_session_token": token}
    return boto3.client("rekognition", **keys, **options)


def failure(call: Callable[..., Any], **request: Any) -> dict[str, Any]:
    """The error that boto3 raises."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    response: Any = caught.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return {**response["ResponseMetadata"], **response["Error"]}


def test_labels_have_the_boxes_of_detect_as_shares_and_percent(rekognition: Connect) -> None:
    client = rekognition()
    body = client.detect_labels(Image=IMAGE)
    url = client.meta.endpoint_url
    native = httpx2.post(f"{url}/detect", files={"image": IMAGE["Bytes"]}).json()["detections"]
    assert [(label["Name"], label["Confidence"]) for label in body["Labels"]] == [
        ("Person", 98.1),
        ("Traffic Light", 62),
    ]
    person = body["Labels"][0]
    assert (person["Parents"], person["Aliases"], person["Categories"]) == ([], [], [])
    assert [one["Confidence"] for one in person["Instances"]] == [98.1, 70]
    boxes = [one["BoundingBox"] for label in body["Labels"] for one in label["Instances"]]
    shares = [one["box_normalized"] for one in native]
    assert boxes == [
        {
            "Left": box["x_min"],
            "Top": box["y_min"],
            "Width": pytest.approx(box["x_max"] - box["x_min"], abs=2e-6),
            "Height": pytest.approx(box["y_max"] - box["y_min"], abs=2e-6),
        }
        for box in shares
    ]


def test_confidence_limits_and_filters_are_kept(rekognition: Connect) -> None:
    client = rekognition()

    def found(**request: Any) -> list[tuple[str, int]]:
        labels = client.detect_labels(Image=IMAGE, **request)["Labels"]
        return [(label["Name"], len(label["Instances"])) for label in labels]

    def general(**filters: list[str]) -> Any:
        return {"GeneralLabels": filters}

    assert found() == [("Person", 2), ("Traffic Light", 1)]
    assert found(MinConfidence=0) == [("Person", 3), ("Traffic Light", 1)]
    assert found(MinConfidence=97.5) == [("Person", 1)]
    assert found(MaxLabels=1) == [("Person", 2)]
    assert found(Settings=general(LabelInclusionFilters=["Traffic Light"])) == [("Traffic Light", 1)]
    assert found(Settings=general(LabelExclusionFilters=["Traffic Light", "Dog"])) == [("Person", 2)]
    assert found(Features=["GENERAL_LABELS"]) == [("Person", 2), ("Traffic Light", 1)]


def test_an_image_that_lies_is_turned_first(rekognition: Connect, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON))
    client = rekognition()
    upright, lying = ({"Bytes": stored(scene(), orientation)} for orientation in (1, 6))
    assert client.detect_labels(Image=upright)["Labels"] == client.detect_labels(Image=lying)["Labels"]


def test_custom_labels_are_a_models_by_the_name_of_its_project(rekognition: Connect) -> None:
    client = rekognition()
    asked = {"Image": IMAGE, "ProjectVersionArn": ARN.format("street")}
    found = client.detect_custom_labels(**asked)["CustomLabels"]
    assert [(one["Name"], one["Confidence"]) for one in found] == [
        ("person", 98.1),
        ("person", 70),
        ("traffic light", 62),
    ]
    assert found[0]["Geometry"]["BoundingBox"] == {"Left": 0.25, "Top": 0.125, "Width": 0.25, "Height": 0.75}
    assert len(client.detect_custom_labels(**asked, MinConfidence=10)["CustomLabels"]) == 4
    assert len(client.detect_custom_labels(**asked, MaxResults=1)["CustomLabels"]) == 1
    missing = failure(client.detect_custom_labels, Image=IMAGE, ProjectVersionArn=ARN.format("cats"))
    assert missing["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("request_options", "code"),
    [
        ({"Image": {"Bytes": b"GIF89a"}}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": jpeg()[:3000]}}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": encoded(scene(9000, 9), "PNG")}}, "ImageTooLargeException"),
        ({"Image": {"Bytes": bytes(90_000)}}, "ImageTooLargeException"),
        ({"Image": {}}, "InvalidParameterException"),
        ({"Image": {**IMAGE, "S3Object": {"Bucket": "street", "Name": "a.jpg"}}}, "InvalidParameterException"),
        ({"Image": {"S3Object": {"Bucket": "street", "Name": "a.jpg"}}}, "InvalidS3ObjectException"),
        ({"Image": IMAGE, "Features": ["IMAGE_PROPERTIES"]}, "InvalidParameterException"),
        ({"Image": IMAGE, "MinConfidence": 100.5}, "InvalidParameterException"),
    ],
)
def test_errors_are_rekognitions_and_are_not_repeated(
    rekognition: Connect, seed_endpoint: SeedEndpoint, request_options: Any, code: str
) -> None:
    told = failure(rekognition(max_side=8000, max_body_bytes=80_000).detect_labels, **request_options)
    assert (told["Code"], told["HTTPStatusCode"], told["RetryAttempts"]) == (code, 400, 0)
    assert not seed_endpoint.requests


def test_an_operation_that_the_gateway_has_not_says_so(rekognition: Connect) -> None:
    told = failure(rekognition().detect_faces, Image=IMAGE)
    assert (told["Code"], "DetectFaces" in told["Message"]) == ("InvalidParameterException", True)


def test_the_api_key_comes_as_the_session_token_and_is_asked_for_before_the_body(
    rekognition: Connect, seed_endpoint: SeedEndpoint
) -> None:
    client = rekognition(KEY, api_keys=ENTRY)
    assert client.detect_labels(Image=IMAGE)["Labels"]
    for token in (None, "dg_wrong"):
        assert failure(asking(token).detect_labels, Image=IMAGE)["Code"] == "AccessDeniedException"
    assert len(seed_endpoint.requests) == 1
    url = httpx2.URL(client.meta.endpoint_url)
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in HEAD.items())
        connection.sendall(
            f"POST / HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 99\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


BILLED: dict[str, Script] = {
    "the model failed": lambda _: aws_error("ModelError", 424, OriginalStatusCode=500),
    "the answer makes no sense": lambda _: reply(b"{}"),
}


@pytest.mark.parametrize("retries", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("name", BILLED)
def test_what_may_have_been_billed_is_never_sent_again(
    rekognition: Connect, seed_endpoint: SeedEndpoint, name: str, retries: Retries
) -> None:
    client = rekognition(retries=retries)
    seed_endpoint.script = BILLED[name]
    assert failure(client.detect_labels, Image=IMAGE)["Code"] == "InternalServerError"
    assert len(seed_endpoint.requests) == 1


def test_a_deadline_that_is_over_is_not_sent_again(rekognition: Connect, seed_endpoint: SeedEndpoint) -> None:
    client, go_on = rekognition(deadline_seconds=3), threading.Event()
    seed_endpoint.script = lambda _: (go_on.wait(20), reply(answer()))[1]
    assert failure(client.detect_labels, Image=IMAGE)["Code"] == "InternalServerError"
    go_on.set()
    assert len(seed_endpoint.requests) == 1


def test_what_was_never_billed_is_sent_again_and_answered(rekognition: Connect, seed_endpoint: SeedEndpoint) -> None:
    client = rekognition()
    answers = iter([aws_error("ServiceUnavailable", 503), reply(answer(PERSON))])
    seed_endpoint.script = lambda _: next(answers)
    body = client.detect_labels(Image=IMAGE)
    assert (len(body["Labels"]), body["ResponseMetadata"]["RetryAttempts"]) == (1, 1)


def test_a_rate_that_is_used_up_is_throttling(rekognition: Connect) -> None:
    client = rekognition(rate_per_address="1/hour", retries="standard")
    client.detect_labels(Image=IMAGE)
    assert failure(client.detect_labels, Image=IMAGE)["Code"] == "ThrottlingException"


@pytest.mark.parametrize("options", [{"max_body_bytes": 2000}, {"held_bytes": 2000}, {"rate_per_address": "1/hour"}])
def test_no_refusal_of_any_limit_is_in_another_dialect(start: Start, options: dict[str, Any]) -> None:
    client = start(**options)
    body = json.dumps({"Image": {"Bytes": "A" * 4000}}).encode()
    for _ in range(2):
        rekognition = client.post("/", content=body, headers=HEAD)
        deepstack = client.post("/v1/vision/detection", files={"image": body})
    assert rekognition.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert rekognition.json().keys() == {"__type", "Message"}
    assert (deepstack.json()["success"], deepstack.json()["code"]) == (False, deepstack.status_code)
    for path in ("/v1/nowhere", "/v1/vision/detection"):
        assert client.get(path).json()["success"] is False


def test_a_bug_of_ours_has_the_dialects_shape_too(rekognition: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError("secret words")

    client = rekognition()
    monkeypatch.setattr("api.detect.detections_of", bug)
    told = failure(client.detect_labels, Image=IMAGE)
    assert (told["Code"], told["RetryAttempts"], "secret" in told["Message"]) == ("InternalServerError", 0, False)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"Image": {"Bytes": "!"}}', b'{"Image": {"Bytes": ""}}', b"\xff"])
def test_a_body_that_is_no_request_is_an_invalid_parameter(client: httpx2.Client, body: bytes) -> None:
    response = client.post("/", content=body, headers=HEAD)
    assert (response.status_code, response.json()["__type"]) == (400, "InvalidParameterException")


def test_a_post_without_a_target_is_no_rekognition(client: httpx2.Client) -> None:
    response = client.post("/", content=b"{}")
    assert (response.status_code, response.json()["code"], response.headers["Allow"]) == (
        405,
        "method-not-allowed",
        "GET",
    )


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, seed_endpoint: SeedEndpoint) -> Iterator[Any]:
    """moto's S3 with a bucket `photos`."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("s3", region_name="us-east-1")
    for name in ("photos", "secrets"):
        client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    yield client
    server.stop()


def test_an_object_of_an_allowed_bucket_is_read(rekognition: Connect, bucket: Any) -> None:
    first = bucket.put_object(Bucket="photos", Key="street/1.jpg", Body=IMAGE["Bytes"])["VersionId"]
    bucket.put_object(Bucket="photos", Key="street/1.jpg", Body=b"GIF89a")
    bucket.put_object(Bucket="photos", Key="large.jpg", Body=bytes(200_000))
    bucket.put_object(Bucket="secrets", Key="1.jpg", Body=IMAGE["Bytes"])
    client = rekognition(rekognition_buckets="photos", max_body_bytes=150_000)

    def ask(bucket: str, name: str, **version: str) -> Any:
        return {"Image": {"S3Object": {"Bucket": bucket, "Name": name, **version}}}

    found = client.detect_labels(**ask("photos", "street/1.jpg", Version=first))
    assert found["Labels"] == client.detect_labels(Image=IMAGE)["Labels"]
    codes = {
        name: failure(client.detect_labels, **ask(*asked))["Code"]
        for name, asked in {
            "no image": ("photos", "street/1.jpg"),
            "too large": ("photos", "large.jpg"),
            "not there": ("photos", "2.jpg"),
            "not allowed": ("secrets", "1.jpg"),
        }.items()
    }
    assert codes == {
        "no image": "InvalidImageFormatException",
        "too large": "ImageTooLargeException",
        "not there": "InvalidS3ObjectException",
        "not allowed": "InvalidS3ObjectException",
    }
