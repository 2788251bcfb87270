"""Who may in: keys, rates, proxies; and what every answer carries for browsers."""

import asyncio
import base64
import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import redis
from fakeredis import TcpFakeServer
from limits.storage import RedisStorage
from pydantic import ValidationError

from api.admission import rate_limits
from api.admission.api_keys import ApiKeys, Owner, new_key
from api.admission.rate_limits import RateLimits, network_of
from api.errors import InvalidSetting
from api.settings import Settings
from api.web.middleware.security_headers import page_policy
from tests.api.conftest import Start
from tests.api.processes import COMMAND
from tests.api.responses import problem
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint

IMAGE = jpeg()
KEY, ENTRY = new_key("camera")
OTHER_KEY, OTHER_ENTRY = new_key("app")


def post(client: httpx2.Client, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/detect", files={"image": IMAGE}, headers=named)


@pytest.mark.parametrize("headers", [{"X_API_Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"X_API_Key": OTHER_KEY}])
def test_each_of_several_keys_lets_in_by_either_header(start: Start, headers: dict[str, str]) -> None:
    client = start(api_keys=f"{ENTRY},{OTHER_ENTRY}")
    assert post(client, **headers).status_code == 200
    assert client.get("/model", headers={name.replace("_", "-"): value for name, value in headers.items()}).is_success


@pytest.mark.parametrize("path", ["/detect", "/model", "/metrics"])
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthenticated"),
        ({"Authorization": "Basic Zm9vOmJhcg=="}, 401, "unauthenticated"),
        ({"Authorization": "Bearer"}, 401, "unauthenticated"),
        ({"X-API-Key": "dg_wrong"}, 403, "forbidden"),
        ({"X-API-Key": ENTRY}, 403, "forbidden"),
        ({"X-API-Key": ENTRY.partition(":")[2]}, 403, "forbidden"),
        ({"Authorization": f"Bearer {KEY[:-1]}"}, 403, "forbidden"),
    ],
)
def test_without_a_key_it_is_401_and_with_a_wrong_one_403(
    start: Start, seed_endpoint: SeedEndpoint, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    client = start(api_keys=ENTRY)
    away = {"X-Forwarded-For": "203.0.113.9"} if path == "/metrics" else {}
    method = "POST" if path == "/detect" else "GET"
    response = client.request(method, path, headers={**headers, **away}, content=IMAGE if method == "POST" else None)
    problem(response, status, code)
    assert (response.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)
    assert not seed_endpoint.requests


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health", "/", "/docs", "/openapi.json"])
def test_health_and_pages_are_open_with_keys_on(start: Start, path: str) -> None:
    assert start(api_keys=ENTRY).get(path).status_code == 200


def test_metrics_are_open_to_this_machine_but_not_through_a_proxy_on_it(start: Start) -> None:
    client = start()
    assert client.get("/metrics").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        problem(client.get("/metrics", headers={header: "203.0.113.9"}), 401, "unauthenticated")
    client = start(api_keys=ENTRY)
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9", "X-API-Key": KEY}).status_code == 200


def test_a_key_is_kept_as_its_hash_alone_and_printed_once() -> None:
    printed = subprocess.run([COMMAND, "key", "camera.1"], capture_output=True, text=True, check=True).stdout
    key, entry = re.findall(r"^(?:key|entry) +(\S+)$", printed, re.MULTILINE)
    assert entry == f"camera.1:{hashlib.sha256(key.encode()).hexdigest()}"
    assert len(base64.urlsafe_b64decode(key.removeprefix("dg_") + "=")) == 32
    assert ApiKeys([entry]).owner(key) == Owner("camera.1")
    assert ApiKeys([entry]).owner(entry) is None
    refused = subprocess.run([COMMAND, "key", "two words"], capture_output=True, text=True, check=False)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (1, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"api_keys": "plain-text-key"},
        {"api_keys": f"{ENTRY},camera:123"},
        {"rate_per_key": "often"},
        {"rate_per_address": "10/fortnight"},
        {"cors_origins": "*"},
        {"cors_origins": "https://*.example.org"},
        {"cors_origins": "example.org"},
    ],
)
def test_a_setting_that_would_not_protect_is_refused_at_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **options)


def test_a_redis_url_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSetting):
        RateLimits("1/second", None, "mysql://nowhere")


def serve(**environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "DETECT_ENDPOINT_NAME": "any", "AWS_DEFAULT_REGION": "eu-central-1", **environment}
    command = [COMMAND, "serve", "--port", "0", *(["--no-auth"] if "NO_AUTH" in environment else [])]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "ready" in line), "")
        process.terminate()
        _, complaint = process.communicate(timeout=20)
    return subprocess.CompletedProcess(command, process.returncode, line, complaint)


@pytest.mark.parametrize(
    ("environment", "starts"),
    [
        ({"DETECT_HOST": "0.0.0.0"}, False),
        ({"DETECT_HOST": "::"}, False),
        ({"DETECT_HOST": "0.0.0.0", "DETECT_API_KEYS": ENTRY}, True),
        ({"DETECT_HOST": "0.0.0.0", "NO_AUTH": "said"}, True),
        ({"DETECT_HOST": "localhost"}, True),
    ],
    ids=["all addresses", "all IPv6 addresses", "with a key", "--no-auth", "localhost"],
)
def test_a_public_address_without_keys_needs_no_auth_said_aloud(environment: dict[str, str], starts: bool) -> None:
    ended = serve(**environment)
    assert ("ready" in ended.stdout) == starts
    if not starts:
        assert ended.returncode == 1
        assert len(ended.stderr.strip().splitlines()) == 1
        assert "--no-auth" in ended.stderr


def test_a_key_has_its_own_rate_whatever_the_address(start: Start) -> None:
    client = start(api_keys=f"{ENTRY},{OTHER_ENTRY}", rate_per_key="2/minute")
    assert [post(client, X_API_Key=KEY).status_code for _ in range(3)] == [200, 200, 429]
    response = post(client, X_API_Key=KEY)
    assert problem(response, 429, "rate-limited")["retryable"]
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert post(client, X_API_Key=OTHER_KEY).status_code == 200
    assert client.get("/model", headers={"X-API-Key": KEY}).status_code == 200, "only detections count"


def test_an_address_has_its_own_rate_and_wrong_keys_count_too(start: Start) -> None:
    client = start(api_keys=ENTRY, rate_per_address="3/minute")
    seen = [post(client, X_API_Key=key).status_code for key in ("wrong", "wrong", KEY, KEY)]
    assert seen == [403, 403, 200, 429]
    assert client.get("/health/ready").status_code == 200


def test_forwarded_addresses_are_believed_from_configured_proxies_alone(start: Start) -> None:
    def statuses(client: httpx2.Client) -> list[int]:
        return [post(client, X_Forwarded_For=f"203.0.113.{n}").status_code for n in (1, 2, 1)]

    assert statuses(start(rate_per_address="1/minute")) == [200, 429, 429]
    assert statuses(start(rate_per_address="1/minute", trusted_proxies="127.0.0.0/8")) == [200, 200, 429]
    assert statuses(start(rate_per_address="1/minute", trusted_proxies="10.0.0.0/8")) == [200, 429, 429]


def test_what_a_client_wrote_before_the_proxy_did_is_not_believed(start: Start) -> None:
    client = start(rate_per_address="1/minute", trusted_proxies="127.0.0.1")
    forged = [post(client, X_Forwarded_For=f"198.51.100.{n}, 203.0.113.7").status_code for n in range(2)]
    assert forged == [200, 429]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, counted: str) -> None:
    assert network_of(address) == counted


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis on a socket of this machine."""
    server = TcpFakeServer(("127.0.0.1", 0))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with redis.Redis(port=server.server_address[1]) as client:
        for name in dir(RedisStorage):
            if name.startswith("SCRIPT_"):  # this server hangs up on a script that it does not know, and Redis does not
                client.script_load(getattr(RedisStorage, name))
    yield f"redis://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_with_redis_two_gateways_count_together(start: Start, redis_url: str) -> None:
    one, other = (start(rate_per_address="2/minute", redis_url=redis_url) for _ in range(2))
    assert [post(client).status_code for client in (one, other, one, other)] == [200, 200, 429, 429]


def test_without_its_redis_a_gateway_counts_alone(start: Start) -> None:
    client = start(rate_per_address="2/minute", redis_url="redis://127.0.0.1:9")
    assert [post(client).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("path", ["/health", "/detect", "/nowhere", "/", "/docs", "/page/page.js"])
def test_every_answer_carries_the_security_headers(client: httpx2.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers
    assert "Strict-Transport-Security" not in headers


def test_over_https_browsers_are_told_to_stay_there(start: Start) -> None:
    client = start(trusted_proxies="127.0.0.1")
    assert "Strict-Transport-Security" in client.get("/health", headers={"X-Forwarded-Proto": "https"}).headers
    assert "Strict-Transport-Security" not in client.get("/health").headers


def test_answers_about_images_are_not_stored(client: httpx2.Client) -> None:
    assert post(client).headers["Cache-Control"] == "no-store"


def test_a_page_may_run_its_own_inline_scripts_and_no_others(client: httpx2.Client) -> None:
    page, policy = client.get("/docs"), client.get("/docs").headers["Content-Security-Policy"]
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert scripts
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in re.findall("script-src [^;]*", policy)[0]
    assert "unsafe" not in client.get("/").headers["Content-Security-Policy"]
    assert "sha256" not in page_policy(b"<script src='a.js'></script>", writes_styles=False)


def test_other_origins_are_answered_only_where_they_are_listed(start: Start) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    client = start(cors_origins="https://app.example.org", api_keys=ENTRY)
    allowed = client.options("/detect", headers={"Origin": "https://app.example.org", **preflight})
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example.org")
    answered = post(client, Origin="https://app.example.org", X_API_Key=KEY)
    assert answered.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
    for asked, origin in ((client, "https://evil.example"), (start(), "https://app.example.org")):
        refused = asked.options("/detect", headers={"Origin": origin, **preflight})
        assert "Access-Control-Allow-Origin" not in refused.headers


def test_a_key_that_is_set_as_it_is_stops_the_start_and_is_not_printed() -> None:
    key, _ = new_key("camera")
    ended = subprocess.run(
        [COMMAND, "serve", "--port", "0"],
        env={**os.environ, "DETECT_API_KEYS": key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "DETECT_API_KEYS" in ended.stderr
    assert key not in ended.stderr


def test_guesses_of_keys_at_the_metrics_count(start: Start) -> None:
    client = start(api_keys=ENTRY, rate_per_address="3/minute")
    statuses = [client.get("/metrics", headers={"X-API-Key": f"guess{n}"}).status_code for n in range(5)]
    assert statuses == [403, 403, 403, 429, 429]


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_several_lines_of_forwarded_addresses_are_one_list(start: Start, address: str) -> None:
    client = start(trusted_proxies="127.0.0.1", rate_per_address="1/minute")
    lines = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.7")]
    assert client.post("/detect", files={"image": jpeg()}, headers=lines).status_code == 200
    other = [("X-Forwarded-For", "203.0.113.10"), ("X-Forwarded-For", "198.51.100.7")]
    problem(client.post("/detect", files={"image": jpeg()}, headers=other), 429, "rate-limited")


def test_the_counters_of_addresses_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_CALLERS", 100)
    limits = RateLimits(None, "5/minute", None)

    async def ask() -> None:
        for number in range(1000):
            await limits.count("address", f"192.0.2.{number}")

    asyncio.run(ask())
    assert len(limits._alone._windows) == 100


@pytest.mark.parametrize("setting", ["DETECT_WAITING_DECODES", "DETECT_WAITING_CALLS", "DETECT_EMBEDDED_URL"])
def test_a_setting_that_no_longer_exists_stops_the_start_and_says_what_replaced_it(setting: str) -> None:
    ended = subprocess.run(
        [COMMAND, "serve", "--port", "0"], env={**os.environ, setting: "1"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert re.search(rf"{setting} no longer exists: .*DETECT_", ended.stderr)
