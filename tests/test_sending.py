"""Both servers send their answers at once: Nagle's algorithm would hold each back for 40 ms."""

import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
import uvicorn

from api.serving import listen
from tests.conftest import ROOT

AS_ENDPOINT = """
import argparse, socket, server
listening = server.listen(argparse.Namespace(socket=None, host="127.0.0.1", port=0))
print(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
"""


def gateway() -> bool:
    with listen(uvicorn.Config("api.app:from_environment", port=0, log_config=None)) as listening:
        return bool(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def endpoint() -> bool:
    command = [sys.executable, "-c", AS_ENDPOINT]
    ended = subprocess.run(command, cwd=ROOT / "inference", capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()[-1] != "0"


@pytest.mark.parametrize("sends_at_once", [gateway, endpoint])
def test_a_connection_sends_at_once(sends_at_once: Callable[[], bool]) -> None:
    assert sends_at_once()
