"""For whom the gateway answers: its own host names, and no page of another origin where no key is asked for."""

import socket

import httpx2
import pytest

from api.admission.api_keys import new_key
from tests.api.conftest import Start
from tests.api.responses import problem
from tests.example_images import jpeg

KEY, ENTRY = new_key("camera")


def post(client: httpx2.Client, **headers: str) -> httpx2.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/detect", files={"image": jpeg()}, headers=sent)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8000", "[::1]:8000", "192.0.2.7:80", "gateway", "GATEWAY:8000"]
)
def test_addresses_and_names_without_a_dot_are_served_without_keys(client: httpx2.Client, host: str) -> None:
    assert post(client, Host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example."]
)
def test_another_host_name_is_421_without_keys_and_reads_no_metrics(client: httpx2.Client, host: str) -> None:
    problem(post(client, Host=host), 421, "unknown-host")
    problem(client.get("/metrics", headers={"Host": host}), 421, "unknown-host")


@pytest.mark.parametrize("hosts", [b"", b"Host: here\r\nHost: here\r\n"], ids=["none", "two"])
def test_a_request_without_exactly_one_host_header_is_400(client: httpx2.Client, hosts: bytes) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\n" + hosts + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_names_that_are_set_are_served_and_keys_let_any_pass(start: Start) -> None:
    assert post(start(hosts="detect.example.org"), Host="detect.example.org:443").status_code == 200
    keyed = start(api_keys=ENTRY)
    assert post(keyed, Host="any.example", X_API_Key=KEY).status_code == 200
    problem(post(start(api_keys=ENTRY, hosts="a.example"), Host="b.example", X_API_Key=KEY), 421, "unknown-host")


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_page_of_another_origin_may_not_ask_where_no_key_is_needed(
    client: httpx2.Client, headers: dict[str, str]
) -> None:
    problem(post(client, **headers), 403, "forbidden")
    problem(client.post("/models/seed/reload", headers={"Sec-Fetch-Site": "cross-site"}), 403, "forbidden")


def test_the_gateways_own_page_and_listed_origins_may_ask(start: Start) -> None:
    client = start(cors_origins="https://app.example.org")
    own = f"http://127.0.0.1:{client.base_url.port}"
    assert post(client, Origin=own).status_code == 200
    assert post(client, Origin=own, Sec_Fetch_Site="same-origin").status_code == 200
    assert post(client, Origin="https://app.example.org", Sec_Fetch_Site="cross-site").status_code == 200
