"""The SageMaker client: boto3 signs, the transport sends, errors become ours."""

import base64
import io
import os
import random
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, cast

import boto3
import botocore
import botocore.exceptions as aws
import botocore.session
import urllib3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.httpsession import get_cert_path
from pydantic import ValidationError

from api.backend import Backend
from api.endpoint import loopback
from api.endpoint.breaker import Breaker, State, is_fault
from api.endpoint.contract import EndpointAnswer, Serving
from api.endpoint.transport import Call, Wire
from api.errors import (
    Again,
    DetectError,
    EndpointAnswerInvalid,
    EndpointFailed,
    EndpointUnavailable,
    NotReloaded,
)
from api.schema import EndpointState
from api.settings import Settings

EMBEDDED = "embedded"
MAX_ANSWER_BYTES = 1024 * 1024
UNSAID = {"content-length", "content-encoding", "transfer-encoding"}
BEFORE_SEND = "before-send.sagemaker-runtime.InvokeEndpoint"


@dataclass
class SageMakerEndpoint:
    """A SageMaker endpoint, or the embedded one, which answers to the same calls on loopback."""

    client: Any
    name: str
    wire: Wire
    breaker: Breaker
    embedded_socket: Path | None = None
    last_error: str | None = None

    def invoke(self, canvas: bytes, size: int, call: Call) -> tuple[EndpointAnswer, str]:
        """One InvokeEndpoint in the wire format of docs/api.md; blocks until the answer is whole."""
        body = b'{"image": "%b", "short": %d}' % (base64.b64encode(canvas), size)
        self.breaker.enter()
        in_time = call.left > call.seconds / 2  # who came late cannot blame the endpoint for the deadline
        try:
            content, revision = self._ask(body, call)
            answer = _parse(content)
        except BaseException as error:
            self._note(error, call, in_time)
            raise
        self.breaker.success()
        self.last_error = None
        return answer, revision

    def state(self) -> EndpointState:
        """Ready means that the breaker lets calls pass and, where it is the embedded endpoint, that it has the model.

        SageMaker's is asked nothing.
        """
        breaker = self.breaker.state
        alive = self.embedded_socket is None or self.serving() is not None
        return EndpointState(
            kind="embedded" if self.embedded_socket else "sagemaker",
            name=self.name,
            ready=alive and breaker != "open",
            breaker=breaker,
            last_error=self.last_error,
        )

    def serving(self) -> Serving | None:
        """What the embedded endpoint says; SageMaker's says nothing."""
        return loopback.serving(self.embedded_socket, self.name) if self.embedded_socket else None

    def reload(self) -> None:
        """Of the embedded endpoint's models only."""
        if not self.embedded_socket:
            raise NotReloaded("This model runs on SageMaker; replace it with `detect-deploy update`.")
        loopback.load_again(self.embedded_socket, self.name)

    @property
    def breaker_state(self) -> State:
        """Closed, open or half-open."""
        return self.breaker.state

    def _note(self, error: BaseException, call: Call, in_time: bool) -> None:
        if call.unwanted or not isinstance(error, DetectError):
            return self.breaker.neither()
        self.last_error = error.code
        return self.breaker.fault() if is_fault(error, in_time) else self.breaker.neither()

    def _ask(self, body: bytes, call: Call) -> tuple[bytes, str]:
        """The answer's bytes and revision; asked again only where the endpoint cannot have taken, and billed, it."""
        for tries in count():
            try:
                with self.wire.during(call):
                    return self._invoke(body, call)
            except EndpointUnavailable as error:
                pause = _pause(error.again, tries)
                if pause is None or pause > call.left or call.unwanted:
                    raise
            call.pause(pause)
        raise AssertionError("count() has no end")

    def _invoke(self, body: bytes, call: Call) -> tuple[bytes, str]:
        try:
            answer = self.client.invoke_endpoint(
                EndpointName=self.name,
                ContentType="application/json",
                Accept="application/json",
                InferenceId=call.request_id,
                Body=body,
            )
            return answer["Body"].read(), answer.get("CustomAttributes", "") if self.embedded_socket else ""
        except (aws.BotoCoreError, aws.ClientError) as error:
            _translate(error)
        except DetectError:
            raise
        except Exception as error:  # botocore's parsers raise whatever an odd response makes them trip over
            raise EndpointAnswerInvalid("The endpoint's response cannot be read.") from error


def connect(settings: Settings) -> dict[str, SageMakerEndpoint]:
    """The endpoint of each model, with a boto3 client for its whole life. Raises EndpointUnavailable."""
    alone = len(settings.model_dirs) == 1
    return {
        name: _connect(settings, backend, backend.endpoint_name or (EMBEDDED if alone else name))
        for name, backend in settings.backends.items()
    }


def _connect(settings: Settings, backend: Backend, name: str) -> SageMakerEndpoint:
    core = botocore.session.get_session()
    # Tries are ours alone: botocore would repeat calls that were billed.
    once: dict[str, Any] = {"retries": {"total_max_attempts": 1, "mode": "standard"}}
    region = os.environ.get("AWS_REGION") or None  # which every AWS tool reads, and botocore alone does not
    connect_to = partial(boto3.Session(botocore_session=core, region_name=region).client, "sagemaker-runtime")
    try:
        if backend.endpoint_name:
            client = connect_to(config=Config(**once))
        else:
            loopback_only = Config(**once, signature_version=botocore.UNSIGNED, region_name="us-east-1")
            client = connect_to(endpoint_url=loopback.URL, config=loopback_only)
    except aws.BotoCoreError as error:
        _translate(error)
    authorities = core.get_config_variable("ca_bundle") or get_cert_path(True)
    embedded = None if backend.endpoint_name else settings.embedded_socket
    wire = Wire(client.meta.endpoint_url, settings.connect_seconds, MAX_ANSWER_BYTES, authorities, embedded)
    client.meta.events.register(BEFORE_SEND, partial(_send, wire))
    return SageMakerEndpoint(client, name, wire, Breaker(settings.breaker_faults), embedded)


def _send(wire: Wire, request: Any, **_: object) -> AWSResponse:
    """What botocore calls instead of sending by itself."""
    signed = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
    reply = wire.send(request.method, request.url, signed, request.body)
    # Nothing is decompressed: a few bytes may stand for a gigabyte.
    headers = {name: value for name, value in reply.headers.items() if name.lower() not in UNSAID}
    raw = urllib3.HTTPResponse(io.BytesIO(reply.body), headers, reply.status, preload_content=False)
    return AWSResponse(request.url, reply.status, cast(Any, HeadersDict(headers)), raw)


def _pause(again: Again, tries: int) -> float | None:
    """Seconds until the next try, a little by chance so that many do not come at once; None where there is none."""
    if again == "never" or (again == "once" and tries):
        return None
    return min(2.0, 0.2 * 2.0**tries) * random.uniform(0.75, 1.25)


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, aws.ClientError) else ""


def _translate(error: Exception) -> NoReturn:
    """botocore's exceptions → ours; the only place."""
    if isinstance(error, aws.ClientError) and _code(error) == "ModelError":
        status = error.response.get("OriginalStatusCode")
        raise EndpointFailed("The model behind the endpoint failed on this image.", endpoint_status=status) from error
    detail, retry_after, again = REFUSALS.get(_code(error)) or _ours(error)
    raise EndpointUnavailable(detail, retry_after=retry_after, again=again) from error


REFUSALS: dict[str, tuple[str, int, Again]] = {
    "ThrottlingException": ("The endpoint is throttled.", 1, "once"),
    "ModelNotReadyException": ("The endpoint is still loading its model.", 5, "patiently"),
    "ServiceUnavailable": ("The endpoint has no capacity for this request now.", 5, "never"),
    "ValidationError": ("The endpoint does not exist, or refused the request.", 60, "never"),
    "AccessDeniedException": ("The gateway is not allowed to call the endpoint.", 60, "never"),
    "ExpiredTokenException": ("The gateway's AWS credentials have expired.", 60, "never"),
    "UnrecognizedClientException": ("The gateway's AWS credentials are not valid.", 60, "never"),
    "InvalidSignatureException": (
        "AWS rejects the gateway's signature: check its region and its clock.",
        60,
        "never",
    ),
}


def _ours(error: Exception) -> tuple[str, int, Again]:
    """What is wrong on the gateway's own side, in words."""
    details = {
        aws.NoRegionError: "No AWS region is configured for the endpoint.",
        aws.NoCredentialsError: "The gateway has no AWS credentials.",
        aws.CredentialRetrievalError: "The gateway could not get its AWS credentials.",
    }
    detail = next((text for kind, text in details.items() if isinstance(error, kind)), None)
    return detail or "The endpoint does not accept requests now.", 60 if detail else 5, "never"


def _parse(body: bytes) -> EndpointAnswer:
    try:
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("too long")
        return EndpointAnswer.model_validate_json(body)
    except (ValidationError, ValueError, OverflowError) as error:
        raise EndpointAnswerInvalid("The endpoint's response breaks the wire contract.") from error
