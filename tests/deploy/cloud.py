"""AWS on loopback: SageMaker's control plane and runtime by our stand-in, everything else by moto, behind one port."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.deploy import moto_side
from tests.deploy.access import Access, Document, allows
from tests.deploy.container import model_error
from tests.deploy.iam import Checks, denial
from tests.deploy.plane import Plane, Refusal
from tests.deploy.registry import Registry, Unknown
from tests.deploy.wire import jsonable

ACCOUNT, REGION = "123456789012", "eu-west-1"
CREDENTIALS = "/credentials"  # where a machine's own credentials come from
DENIED = {"s3": "AccessDenied", "iam": "AccessDenied"}
READS = ("/", "Describe", "List", "Get", "Head", "Filter", "Invoke", "BatchGet")
S3_OPERATIONS = {
    ("HEAD", False): "HeadBucket",
    ("PUT", False): "CreateBucket",
    ("DELETE", False): "DeleteBucket",
    ("GET", False): "ListObjects",
    ("GET", True): "GetObject",
    ("HEAD", True): "HeadObject",
    ("PUT", True): "PutObject",
    ("DELETE", True): "DeleteObject",
}


class Handler(MotoRequestHandler):
    """Quiet and without Nagle's delay, which costs 40 ms a call."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Says nothing."""


@dataclass
class Rule:
    """What befalls an operation, `times` times: an error of AWS's, or a wait until the test lets go."""

    operation: str
    code: str = ""
    sentence: str = ""
    status: int = 400
    times: int = 1 << 30
    hold: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


@dataclass
class Call:
    """A request as it came."""

    service: str
    operation: str
    target: str
    checks: list[Access] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return not self.operation.startswith(READS)


class Cloud:
    """The server. Its state is `plane` and moto's; `rules` befall calls, `calls` are those that came."""

    def __init__(self) -> None:
        self.registry = Registry("")
        self.plane = Plane(ACCOUNT, REGION, self.registry)
        self.rules: list[Rule] = []
        self.calls: list[Call] = []
        self.prices: list[dict[str, Any]] = []
        self.machine: dict[str, Any] = {}
        self.policies: list[Document] = []  # the caller's; none is an administrator
        self.lock = threading.RLock()
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self.serve, threaded=True, request_handler=Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        self.reset()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes boto3 come here."""
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
        quiet = {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        return {"AWS_ENDPOINT_URL": self.url, **credentials, **quiet}

    @property
    def operations(self) -> list[str]:
        """The calls that changed something, in order."""
        return [call.operation for call in self.calls if call.changes]

    def reset(self) -> None:
        """A new account."""
        self.rules.clear()
        self.policies.clear()
        self.plane.close()
        self.registry = Registry(self.url)
        self.registry.push(f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/detect-endpoint:1")
        self.plane = Plane(ACCOUNT, REGION, self.registry)
        self.prices = []
        self.forward({"REQUEST_METHOD": "POST", "PATH_INFO": "/moto-api/reset"})
        self.calls.clear()

    def close(self) -> None:
        """Ends the server."""
        self.reset()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def forward(self, about: dict[str, str]) -> None:
        """A request of our own to moto."""
        from werkzeug.test import EnvironBuilder, run_wsgi_app

        builder = EnvironBuilder(about["PATH_INFO"], base_url=self.url, method=about["REQUEST_METHOD"])
        run_wsgi_app(self.moto, builder.get_environ(), buffered=True)

    def serve(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        call = identify(environ, body)
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        if call.service:
            with self.lock:
                call.checks = self.checks.of(call.service, call.operation, body, path, query)
        self.calls.append(call)
        if denied := self.denied(call):
            return reply(start, 403, *denied)
        rule = self.rule_for(call)
        if rule and rule.code:
            return reply(start, rule.status, *error(call.service, rule.code, rule.sentence))
        answer = self.answer(call, environ, body, start)
        if rule and rule.hold:
            rule.reached.set()
            rule.release.wait(60)
        return answer

    @property
    def checks(self) -> Checks:
        """What AWS checks for each call."""
        return Checks(ACCOUNT, REGION, self.plane)

    def denied(self, call: Call) -> tuple[str, bytes] | None:
        """AWS's refusal of a call that the caller's policies do not allow."""
        missing = next((c for c in call.checks if self.policies and not allows(self.policies, c)), None)
        if missing is None:
            return None
        implied = call.service == "application-autoscaling" and missing.action.startswith("cloudwatch:")
        code = "ValidationException" if implied else DENIED.get(call.service, "AccessDeniedException")
        return error(call.service, code, denial(missing))

    def rule_for(self, call: Call) -> Rule | None:
        """The rule that befalls a call, if any."""
        for rule in self.rules:
            if rule.operation == call.operation and rule.times > 0:
                rule.times -= 1
                return rule
        return None

    def answer(self, call: Call, environ: dict[str, Any], body: bytes, start: Callable[..., Any]) -> Iterable[bytes]:
        """What AWS answers when nothing befalls the call."""
        if call.operation == "InvokeEndpoint":
            return self.invoke(call.target, environ, body, start)
        if call.operation == CREDENTIALS:
            return reply(start, 200, "application/json", json.dumps(self.machine).encode())
        if call.operation.startswith("/layers/"):
            return reply(start, 200, "application/json", self.registry.layer(call.operation))
        if call.operation == "/pushed":
            pushed = json.loads(body)
            self.registry.push(pushed["uri"], **pushed["about"])
            return reply(start, 200, "application/json", b"{}")
        if call.service == "ecr":
            return self.ecr(call.operation, json.loads(body or b"{}"), start)
        if call.operation == "GetProducts":
            return reply(start, 200, "application/x-amz-json-1.1", self.price_list(json.loads(body)))
        if call.service != "sagemaker":
            with self.lock:
                return list(self.moto(environ, start))
        try:
            with self.lock:
                answer = self.plane.answer(call.operation, json.loads(body))
        except Refusal as refusal:
            return reply(start, 400, *error("sagemaker", refusal.code, refusal.sentence))
        return reply(start, 200, "application/x-amz-json-1.1", json.dumps(answer, default=jsonable).encode())

    def ecr(self, operation: str, request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """The registry's answer."""
        try:
            answer = self.registry.answer(operation, request)
        except Unknown as unknown:
            return reply(start, 400, *error("ecr", str(unknown), "It is not there, or is already."))
        return reply(start, 200, "application/x-amz-json-1.1", json.dumps(answer).encode())

    def invoke(self, endpoint: str, environ: dict[str, Any], body: bytes, start: Callable[..., Any]) -> Iterable[bytes]:
        """The runtime half: asks the container that serves."""
        run = self.plane.running.get(endpoint)
        if run is None or run.container is None:
            sentence = f"Endpoint {endpoint} of account {ACCOUNT} not found."
            return reply(start, 400, *error("sagemaker", "ValidationError", sentence))
        started = time.perf_counter()
        headers = {"Content-Type": environ["CONTENT_TYPE"], "Accept": environ.get("HTTP_ACCEPT", "*/*")}
        while (answered := run.chosen().invoke(body, headers)) is None:
            pass  # an update has replaced it meanwhile
        status, kind, content = answered
        passed = (time.perf_counter() - started) * 1e6
        failures = {"Invocation5XXErrors": float(status >= 500), "Invocation4XXErrors": float(400 <= status < 500)}
        with self.lock:
            moto_side.measure(ACCOUNT, REGION, endpoint, Invocations=1.0, ModelLatency=passed, **failures)
        if status != 200:
            start("424 Failed Dependency", [("Content-Type", "application/json"), ("x-amzn-ErrorType", "ModelError")])
            return [model_error(status, content)]
        return reply(start, 200, kind, content)

    def price_list(self, request: dict[str, Any]) -> bytes:
        """The products whose attributes fit every filter."""
        wanted = {item["Field"]: item["Value"] for item in request["Filters"]}
        fitting = [p for p in self.prices if wanted.items() <= p["product"]["attributes"].items()]
        return json.dumps(
            {"FormatVersion": "aws_v1", "PriceList": [json.dumps(product) for product in fitting]}
        ).encode()


def identify(environ: dict[str, Any], body: bytes) -> Call:
    """Which service and operation a request is for, as its signature, headers and path say."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
    service = scope[3] if len(scope) > 3 else ""
    path, method, query = environ["PATH_INFO"], environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return Call(service, target.split(".")[-1], body.decode(errors="replace"))
    if service == "sagemaker":
        return Call(service, "InvokeEndpoint", path.split("/")[2])
    if service == "s3":
        return Call(service, s3_operation(method, path, query), path)
    return Call(service, parse_qs(body.decode(errors="replace")).get("Action", [path])[0], "")


def s3_operation(method: str, path: str, query: str) -> str:
    """The operation of a request to S3."""
    if "publicAccessBlock" in query:
        return f"{method.capitalize()}PublicAccessBlock"
    if "encryption" in query:
        return f"{method.capitalize()}BucketEncryption"
    if method == "POST" and "delete" in query:
        return "DeleteObjects"
    if method == "GET" and "versions" in query:
        return "ListObjectVersions"
    return S3_OPERATIONS[method, len(path.strip("/").split("/")) > 1]


def error(service: str, code: str, sentence: str) -> tuple[str, bytes]:
    """An error in the service's own dress: XML or JSON."""
    if service == "s3":
        return "application/xml", f"<Error><Code>{code}</Code><Message>{sentence}</Message></Error>".encode()
    if service in ("iam", "sts"):
        text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{sentence}</Message></Error></ErrorResponse>"
        return "text/xml", text.encode()
    return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": sentence}).encode()


def reply(start: Callable[..., Any], status: int, kind: str, body: bytes) -> list[bytes]:
    """A whole answer."""
    start(f"{status} Answer", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
