"""The SageMaker client: boto3 says where and by whom, botocore signs, the transport sends, errors become ours."""

import asyncio
import json
import os
import random
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import boto3
import botocore.exceptions as aws
import botocore.session
import pybase64
from botocore.httpsession import get_cert_path
from pydantic import ValidationError

from api.backend import Backend
from api.endpoint import loopback
from api.endpoint.breaker import Breaker, State, is_fault
from api.endpoint.contract import EndpointAnswer, Serving
from api.endpoint.signature import Signer
from api.endpoint.transport import Call, Reply, Transport
from api.errors import (
    Again,
    DeadlineExceeded,
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
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
INFERENCE_ID, CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Inference-Id", "X-Amzn-SageMaker-Custom-Attributes"
ERROR_TYPE = "x-amzn-errortype"


@dataclass
class SageMakerEndpoint:
    """A SageMaker endpoint, or the embedded one, which answers to the same calls on a socket of its own."""

    name: str
    transport: Transport
    signer: Signer | None
    breaker: Breaker
    embedded_socket: Path | None = None
    last_error: str | None = None

    async def invoke(self, canvas: bytes, size: int, call: Call) -> tuple[EndpointAnswer, str]:
        """One InvokeEndpoint in the wire format of docs/api.md."""
        body = b'{"image": "%b", "short": %d}' % (pybase64.b64encode(canvas), size)
        self.breaker.enter()
        in_time = call.left > call.seconds / 2  # who came late cannot blame the endpoint for the deadline
        try:
            content, revision = await self._ask(body, call)
            answer = _parse(content)
        except DetectError as error:
            self.last_error = error.code
            (self.breaker.fault if is_fault(error, in_time) else self.breaker.neither)()
            raise
        except BaseException:
            self.breaker.neither()
            raise
        self.breaker.success()
        self.last_error = None
        return answer, revision

    async def close(self) -> None:
        """Close its connections."""
        await self.transport.close()

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

    async def _ask(self, body: bytes, call: Call) -> tuple[bytes, str]:
        """The answer's bytes and revision; asked again only where the endpoint cannot have taken, and billed, it."""
        for tries in count():
            try:
                return await self._invoke(body, call)
            except EndpointUnavailable as error:
                pause = _pause(error.again, tries)
                if pause is None or pause > call.left:
                    raise
            except asyncio.CancelledError as error:
                if call.late:
                    detail = "The endpoint did not respond before the deadline."
                    raise DeadlineExceeded(detail, reached=True) from error
                raise
            await asyncio.sleep(pause)
        raise AssertionError("count() has no end")

    async def _invoke(self, body: bytes, call: Call) -> tuple[bytes, str]:
        path = f"/endpoints/{quote(self.name, safe='')}/invocations"
        headers = {**HEADERS, INFERENCE_ID: call.request_id}
        try:
            if self.signer:
                headers = await self.signer.signed(self.transport.url + path, headers, body)
            reply = await self.transport.post(path, headers, body)
            if reply.status >= 300:
                raise _refusal(reply)
        except (aws.BotoCoreError, aws.ClientError) as error:
            _translate(error)
        return reply.body, reply.headers.get(CUSTOM_ATTRIBUTES, "") if self.embedded_socket else ""


def connect(settings: Settings) -> dict[str, SageMakerEndpoint]:
    """The endpoint of each model, with its connections for its whole life. Raises EndpointUnavailable."""
    alone = len(settings.model_dirs) == 1
    return {
        name: _connect(settings, backend, backend.endpoint_name or (EMBEDDED if alone else name))
        for name, backend in settings.backends.items()
    }


def _connect(settings: Settings, backend: Backend, name: str) -> SageMakerEndpoint:
    breaker = Breaker(settings.breaker_faults)
    if not backend.endpoint_name:
        socket = settings.embedded_socket
        transport = Transport(loopback.URL, settings.connect_seconds, MAX_ANSWER_BYTES, embedded=socket)
        return SageMakerEndpoint(name, transport, None, breaker, socket)
    core = botocore.session.get_session()
    region = os.environ.get("AWS_REGION") or None  # which every AWS tool reads, and botocore alone does not
    try:
        session = boto3.Session(botocore_session=core, region_name=region)
        address = session.client("sagemaker-runtime").meta
        signer = Signer(session.get_credentials(), address.region_name)
    except aws.BotoCoreError as error:
        _translate(error)
    authorities = core.get_config_variable("ca_bundle") or get_cert_path(True)
    transport = Transport(address.endpoint_url, settings.connect_seconds, MAX_ANSWER_BYTES, authorities)
    return SageMakerEndpoint(name, transport, signer, breaker)


def _refusal(reply: Reply) -> aws.ClientError:
    """What AWS says is wrong, as boto3 raises it. Raises EndpointAnswerInvalid where it makes no sense."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    status = said.get("OriginalStatusCode")
    if not isinstance(status, int | None):
        raise EndpointAnswerInvalid("The endpoint's response cannot be read.")
    kind = str(reply.headers.get(ERROR_TYPE) or said.get("__type") or said.get("code") or reply.status)
    message = str(said.get("message") or said.get("Message") or "")
    problem: Any = {"Code": kind.partition(":")[0].rpartition("#")[2], "Message": message}
    return aws.ClientError({"Error": problem, "OriginalStatusCode": status}, "InvokeEndpoint")  # type: ignore[typeddict-unknown-key]  # InvokeEndpoint's own member


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
