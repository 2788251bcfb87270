"""What `detect-gateway serve` says when it starts, and when it cannot."""

import json
import os
import pty
import re
import shlex
import socket
import subprocess
import sys
import time

import httpx2
import pytest
import segno

from api.admission.api_keys import new_key
from api.cli.banner import addresses, qr_code
from tests.api.processes import COMMAND, SERVE, Served
from tests.conftest import ROOT
from tests.seed_endpoint import SeedEndpoint

KEY, ENTRY = new_key("banner")


def start(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A start that fails."""
    return subprocess.run(
        [COMMAND, "serve", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_port_in_use_is_one_plain_sentence_before_any_model_is_loaded(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        ended = start("--host", host, "--port", str(port), "--no-auth")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"detect-gateway: Port {port} is in use: "
        "stop what listens there, or choose another with --port (0: any free one)."
    ]
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "203.0.113.7", "--no-auth"), "203.0.113.7 is no address of this machine"),
        (("--host", "nosuch.invalid", "--no-auth"), "Nothing can listen on nosuch.invalid"),
        (("--host", "0.0.0.0"), "set DETECT_API_KEYS, or pass --no-auth"),
    ],
)
def test_an_address_that_cannot_be_served_is_one_plain_sentence(options: tuple[str, ...], words: str) -> None:
    ended = start("--port", "0", *options)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert words in ended.stderr
    assert ended.stdout == ""


def test_the_banner_names_the_model_and_its_labels() -> None:
    served = Served()
    try:
        assert re.search(r"Model +person-300: person\n", served.welcome)
        assert "network" not in served.welcome, "nobody else reaches a loopback address"
    finally:
        served.end()


def test_the_banner_of_several_models_shortens_long_lists_of_labels(seed_endpoint: SeedEndpoint) -> None:
    models = {
        "cars": {"endpoint_name": "a", "labels": ["car"]},
        "all": {"endpoint_name": "b", "labels": [f"label{number}" for number in range(80)]},
    }
    screen = banner(seed_endpoint, DETECT_ENDPOINTS=json.dumps(models))
    assert re.search(r"Model +cars: car\r?\n", screen)
    assert "all: label0, label1, label2, label3, label4 … (80 labels)" in screen


def test_with_keys_the_curl_line_works_once_the_placeholder_is_a_key(seed_endpoint: SeedEndpoint) -> None:
    with subprocess.Popen(
        SERVE, env=asks(seed_endpoint, DETECT_API_KEYS=ENTRY), stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        try:
            (curl,) = next(found for line in process.stdout if (found := re.findall(r"curl .*", line)))
            for key, status in ((KEY, "200"), ("YOUR-KEY", "403")):
                command = [*shlex.split(curl.replace("YOUR-KEY", key)), "-s", "-o", "/dev/null", "-w", "%{http_code}"]
                answered = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
                assert answered.stdout == status
        finally:
            process.terminate()


def test_a_public_address_is_shown_with_the_machines_own_addresses_and_a_qr_code(seed_endpoint: SeedEndpoint) -> None:
    own = addresses("0.0.0.0")
    if not own:
        pytest.skip("this machine has no address but loopback")
    screen = banner(seed_endpoint, "--host", "0.0.0.0", "--no-auth", asked_at=own[0])
    urls = re.findall(r"On the network +(http://\S+)/", screen)
    assert [httpx2.URL(url).host for url in urls] == own
    assert qr_code(urls[0]) in re.sub(r"\x1b\[[\d;]*m|\r", "", screen)
    assert re.search(r"\x1b\[[\d;]+m█", screen), "light on dark, whatever the terminal's colours"


def test_in_a_container_the_banner_shows_the_published_address_and_not_the_containers_own(
    seed_endpoint: SeedEndpoint,
) -> None:
    screen = banner(seed_endpoint, "--host", "0.0.0.0", "--no-auth", container="oci")
    port = re.findall(r"http://127.0.0.1:(\d+)/docs", screen)[0]
    assert f"--publish 127.0.0.1:{port}:{port}" in screen
    assert "On the network" not in screen
    assert "█" not in screen, "no QR code"


@pytest.mark.parametrize("url", ["http://192.168.1.20:8000", "http://[2001:db8::1]:8000"])
def test_the_blocks_of_a_qr_code_are_its_modules(url: str) -> None:
    """Each character is two modules, one above the other: light ones are drawn, four of them around the code."""
    halves = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
    rows = [[halves[block][half] for block in line] for line in qr_code(url).splitlines() for half in (0, 1)]
    expected = [[1 - module for module in row] for row in segno.make(url, micro=False).matrix]
    assert [row[4:-4] for row in rows[4 : 4 + len(expected)]] == expected
    assert all(all(row) for row in rows[:4] + rows[4 + len(expected) :])


ON_WINDOWS = """
import sys
for module in ("fcntl", "grp", "pwd", "resource", "termios", "uvloop"):
    sys.modules[module] = None
from api.cli.main import main
sys.platform = "win32"
main()
"""


@pytest.mark.parametrize("command", [["serve"], ["detect", "docs/images/grace_hopper.jpg"]])
def test_on_windows_a_gateway_is_refused_in_one_sentence_that_names_wsl_and_docker(command: list[str]) -> None:
    """A Linux without the modules that Windows lacks: none of them is needed to say so."""
    typed = [sys.executable, "-c", ON_WINDOWS, *command]
    ended = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "WSL" in line
    assert "Docker" in line


def asks(endpoint: SeedEndpoint, **environment: str) -> dict[str, str]:
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        **({} if "DETECT_ENDPOINTS" in environment else {"DETECT_ENDPOINT_NAME": "seed"}),
        **environment,
    }


def banner(endpoint: SeedEndpoint, *options: str, asked_at: str = "", **environment: str) -> str:
    """What a terminal shows of a start; the gateway answers at `asked_at`, too."""
    ours, its = pty.openpty()
    environment = asks(endpoint, TERM="xterm-256color", COLUMNS="200", COLORTERM="truecolor", **environment)
    process = subprocess.Popen([*SERVE, *options], env=environment, stdout=its, stderr=subprocess.DEVNULL, cwd=ROOT)
    os.close(its)
    screen, ends = b"", time.monotonic() + 30
    while time.monotonic() < ends and not (b"curl" in screen and (not asked_at or screen.count("█".encode()) > 100)):
        screen += os.read(ours, 1 << 16)
    if asked_at:
        port = re.findall(rb"http://127.0.0.1:(\d+)/docs", screen)[0].decode()
        assert httpx2.get(f"http://{asked_at}:{port}/health/ready").status_code == 200
    process.terminate()
    while True:
        try:
            screen += os.read(ours, 1 << 16)
        except OSError:  # the terminal's other side is closed
            break
    process.wait(30)
    os.close(ours)
    return screen.decode()
