"""The endpoint: its protocol, and the SageMaker client that is the only one. The only room that knows boto3."""

import base64
import http.client
import json
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import boto3
import botocore
import botocore.exceptions as aws
from botocore.config import Config
from botocore.response import StreamingBody
from pydantic import ValidationError

from api.errors import (
    DeadlineExceeded,
    EndpointAnswerInvalid,
    EndpointError,
    EndpointFailed,
    EndpointUnavailable,
)
from api.schema import EndpointAnswer, EndpointState
from api.settings import Settings

log = logging.getLogger(__name__)

EMBEDDED = "embedded"
MAX_ANSWER_BYTES = 1024 * 1024
# Faults that came before the endpoint took the picture: nothing can have been billed, so one more try is free.
UNBILLED = (aws.EndpointConnectionError, aws.ConnectTimeoutError)
UNBILLED_CODES = {"ThrottlingException"}


class Endpoint(Protocol):
    """Where canvases become rows of boxes."""

    def invoke(self, canvas: bytes, size: int, request_id: str) -> EndpointAnswer:
        """The endpoint's answer for one size×size canvas; blocks. Raises EndpointError and DeadlineExceeded."""
        ...

    def state(self) -> EndpointState:
        """What is known of the endpoint; never costs an invocation."""
        ...


@dataclass
class SageMakerEndpoint:
    """A SageMaker endpoint, or the embedded one, which answers to the same calls on loopback."""

    client: Any
    name: str
    embedded_url: str | None = None
    last_error: str | None = None

    def invoke(self, canvas: bytes, size: int, request_id: str) -> EndpointAnswer:
        """One InvokeEndpoint in the wire format of docs/api.md; blocks until the answer is whole."""
        body = json.dumps({"image": base64.b64encode(canvas).decode(), "short": size})
        try:
            answer = _parse(self._ask(body, request_id))
        except EndpointError as error:
            self.last_error = error.code
            raise
        self.last_error = None
        return answer

    def state(self) -> EndpointState:
        """Ready means for the embedded endpoint that it answers a ping; SageMaker's is asked nothing."""
        ready = self.embedded_url is None or answers(self.embedded_url, "/ping")
        return EndpointState(
            kind="embedded" if self.embedded_url else "sagemaker",
            name=self.name,
            ready=ready,
            last_error=self.last_error,
        )

    def _ask(self, body: str, request_id: str, tries: int = 2) -> bytes:
        try:
            answer = self.client.invoke_endpoint(
                EndpointName=self.name,
                ContentType="application/json",
                Accept="application/json",
                InferenceId=request_id,
                Body=body,
            )
            return _read(answer["Body"])
        except (aws.BotoCoreError, aws.ClientError, aws.HTTPClientError) as error:
            if tries > 1 and _unbilled(error):
                return self._ask(body, request_id, tries - 1)
            _translate(error)


def connect(settings: Settings) -> SageMakerEndpoint:
    """The endpoint that the settings name, with one boto3 client for its whole life. Raises EndpointUnavailable."""
    policy: dict[str, Any] = {
        "connect_timeout": settings.connect_seconds,
        "read_timeout": settings.deadline_seconds,
        "max_pool_connections": settings.endpoint_calls,
        "retries": {"total_max_attempts": 1, "mode": "standard"},  # ours alone: botocore's repeat billed calls
    }
    connect_to = partial(boto3.Session().client, "sagemaker-runtime")
    try:
        if settings.endpoint_name:
            return SageMakerEndpoint(connect_to(config=Config(**policy)), settings.endpoint_name)
        loopback = Config(**policy, signature_version=botocore.UNSIGNED, proxies={}, region_name="us-east-1")
        client = connect_to(endpoint_url=settings.embedded_url, config=loopback)
        return SageMakerEndpoint(client, EMBEDDED, settings.embedded_url)
    except aws.BotoCoreError as error:
        _translate(error)


def _read(stream: StreamingBody) -> bytes:
    """All of the answer, up to a byte over the limit; botocore notices a cut only where the end is asked for."""
    body = b""
    for chunk in stream.iter_chunks(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            break
    return body


def _unbilled(error: Exception) -> bool:
    return isinstance(error, UNBILLED) or _code(error) in UNBILLED_CODES


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, aws.ClientError) else ""


def _translate(error: Exception) -> NoReturn:
    """botocore's exceptions → ours; the only place."""
    if isinstance(error, aws.ReadTimeoutError):
        raise DeadlineExceeded("The endpoint did not answer within the request's time budget.") from error
    if isinstance(error, aws.ClientError) and _code(error) == "ModelError":
        status = error.response.get("OriginalStatusCode")
        raise EndpointFailed("The model behind the endpoint failed on this picture.", endpoint_status=status) from error
    raise EndpointUnavailable(_reason(error), retry_after=5) from error


def _reason(error: Exception) -> str:
    reasons = {
        aws.NoRegionError: "No AWS region is configured for the endpoint.",
        aws.NoCredentialsError: "The gateway has no AWS credentials.",
        aws.CredentialRetrievalError: "The gateway could not get its AWS credentials.",
        aws.EndpointConnectionError: "The endpoint cannot be reached.",
        aws.ConnectTimeoutError: "The endpoint cannot be reached.",
    }
    by_code = {
        "ThrottlingException": "The endpoint is throttled.",
        "ModelNotReadyException": "The endpoint is still loading its model.",
        "ServiceUnavailable": "The endpoint has no room for this request now.",
        "ValidationError": "The endpoint does not exist, or refused the request.",
        "AccessDeniedException": "The gateway may not call the endpoint.",
        "ExpiredTokenException": "The gateway's AWS credentials have expired.",
    }
    by_class = next((text for kind, text in reasons.items() if isinstance(error, kind)), None)
    return by_class or by_code.get(_code(error), "The endpoint does not take requests now.")


def _parse(body: bytes) -> EndpointAnswer:
    try:
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("too long")
        answer = EndpointAnswer.model_validate_json(body)
    except (ValidationError, ValueError) as error:
        raise EndpointAnswerInvalid("The endpoint's answer breaks the wire contract.") from error
    return answer


def answers(url: str, path: str) -> bool:
    """Whether a GET of this path is answered with 200 within two seconds."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
