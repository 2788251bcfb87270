"""Somebody who types what a page says, from top to bottom, into a terminal or two."""

import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.conftest import ROOT
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import FAST
from tests.docs.blocks import Block
from tests.docs.elsewhere import elsewhere

BIN = Path(sys.executable).parent
PARTS = ("README.md", "api", "deploy", "docs", "inference", "pyproject.toml", "requirements")
PROGRAMS = {"scripts/run", ".venv/bin/detect-gateway", ".venv/bin/detect-deploy", ".venv/bin/python", "curl"}
LANGUAGES = {"python": [".venv/bin/python", "-c"], "js": ["node", "--input-type=module", "--eval"]}
SERVES = re.compile(r"(scripts/run|detect-gateway serve|-m inference\.server)\b")
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/detect-endpoint:1"
PROBLEM = 22  # curl's exit code for a status of 400 and more
REFUSED = re.compile(r'"status": [45]\d\d')


class UnknownBlock(Exception):
    """A block that is neither run nor listed as tried elsewhere."""


class Ended(NamedTuple):
    """What a command ended with."""

    code: int
    said: str
    complained: str


class Reader:
    """A checkout, an environment without anything of ours in it, the servers that were started, and what was said."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder, self.cloud = folder, cloud
        self.ports = {"8000": free_port(), "8080": free_port()}
        self.running: dict[str, Server] = {}  # by the port that the page names
        self.turn_page()
        checkout(folder, self.environment)

    def turn_page(self) -> None:
        """Another page: another terminal; what serves goes on, and is used where the page would start the same.

        Not what asks for a page's API key, which no other page has.
        """
        for named in [named for named, server in self.running.items() if "DETECT_API_KEYS" in server.asked[1]]:
            self.stop(named)
        self.said = ""
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME")}
        self.environment |= self.cloud.environment
        self.environment |= {"CURL_HOME": str(self.folder), "DETECT_PORT": self.ports["8000"]}
        self.environment |= {"DETECT_DRAIN_SECONDS": "0", "DETECT_MODEL_DIR": "inference/models/person"}

    def read(self, block: Block) -> str:
        """Do what a block says; what came of it. Raises UnknownBlock, and AssertionError where it does not work."""
        if block.language not in {"", *LANGUAGES}:
            raise UnknownBlock(f"{block.place}: {block.language}")
        if block.language:
            endings = [self.program(block)]
        else:
            endings = [ended for line in block.lines if (ended := self.type(line))]
        for ended in endings:
            expected = PROBLEM if REFUSED.search(block.shown) else 0
            assert ended.code == expected, f"{block.place}:\n{block.text}{ended.said}{ended.complained}"
        return "".join(ended.said for ended in endings)

    def program(self, block: Block) -> Ended:
        """Run a block that is a program."""
        return self.run([*LANGUAGES[block.language], self.here(block.text)])

    def type(self, line: str) -> Ended | None:
        """Type one command; None where it was tried elsewhere, changed the environment, or serves from now on."""
        if elsewhere(line):
            return None
        words = shlex.split(line)
        assigned = [word for word in words if re.match(r"[A-Z_]+=", word)]
        if words[0] == "export":
            self.environment |= dict(word.split("=", 1) for word in shlex.split(self.here(line))[1:])
            return None
        if next(word for word in words if word not in assigned) not in PROGRAMS:
            raise UnknownBlock(line)
        if SERVES.search(line):
            self.start(line)
            return None
        return self.run(["bash", "-euo", "pipefail", "-c", self.here(line)])

    def run(self, command: list[str]) -> Ended:
        """Run to the end, at a terminal where somebody says yes to whatever is asked."""
        self.assume(command[-1])
        somebody, terminal = pty.openpty()
        os.write(somebody, b"y\n")
        ended = subprocess.run(
            command,
            stdin=terminal,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=120,
            check=False,
        )
        os.close(somebody)
        os.close(terminal)
        self.said += ended.stdout
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def here(self, text: str) -> str:
        """The same with the ports, the account, the folder for odds and ends, and what the page leaves out."""
        for named, ours in self.ports.items():
            text = re.sub(rf"(127\.0\.0\.1:|--port ){named}\b", rf"\g<1>{ours}", text)
        text = re.sub(r"\bACCOUNT\b", ACCOUNT, re.sub(r"\bREGION\b", REGION, text))
        text = re.sub(r"([\w:]+)…", lambda begun: re.findall(rf"{begun[1]}\S+", self.said)[-1], text)
        text = re.sub(r"(detect-deploy (?!cost)\w+)", rf"\1 {shlex.join(FAST)}", text)
        return text.replace("/tmp/", f"{self.folder}/")

    def assume(self, text: str) -> None:
        """Start what the text takes for granted: a gateway, an endpoint in service."""
        if f":{self.ports['8000']}" in text and "8000" not in self.running:
            self.start("scripts/run")
        if "detect-deploy smoke" in text and not self.cloud.plane.running:
            self.type(f".venv/bin/detect-deploy up --image {IMAGE}")

    def start(self, line: str) -> None:
        """Start a server in the place of the one before, and wait until it is ready."""
        named, path = ("8080", "/ping") if "inference.server" in line else ("8000", "/health/ready")
        asked = (self.here(line), dict(self.environment))
        if named in self.running and self.running[named].asked == asked:
            return
        self.stop(named)
        self.running[named] = Server(asked, self.folder)
        self.running[named].wait(f"http://127.0.0.1:{self.ports[named]}{path}")

    def stop(self, named: str) -> None:
        """End the server at a port."""
        if running := self.running.pop(named, None):
            running.end()

    def leave(self) -> None:
        """End all servers."""
        for named in list(self.running):
            self.stop(named)


class Server:
    """What goes on in a terminal of its own."""

    def __init__(self, asked: tuple[str, dict[str, str]], folder: Path) -> None:
        self.asked, self.log = asked, folder / "server.log"
        command, environment = asked
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )

    def wait(self, url: str) -> None:
        """Until it is ready. Raises AssertionError where it ends before."""
        until = time.monotonic() + 60
        while not ready(url):
            lives = self.process.poll() is None and time.monotonic() < until
            assert lives, f"{self.asked[0]}\n{self.log.read_text()}"
            time.sleep(0.05)

    def end(self) -> None:
        """As Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)


def checkout(folder: Path, environment: dict[str, str]) -> None:
    """A checkout in which `scripts/run` has been once: its environment is the tests' own, which has more in it."""
    for part in PARTS:
        (folder / part).symlink_to(ROOT / part)
    for made, of in ((folder / "scripts", ROOT / "scripts"), (folder / ".venv", BIN.parent)):
        made.mkdir()
        for one in of.iterdir():
            (made / one.name).symlink_to(one)
    (folder / ".venv" / "installed").unlink(missing_ok=True)
    (folder / "model").symlink_to(ROOT / "inference" / "models" / "person")  # what an export leaves
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    stamp = 'source scripts/environment; stamp requirements/run.lock "$(need_python)" >.venv/installed'
    subprocess.run(["bash", "-euo", "pipefail", "-c", stamp], cwd=folder, env=environment, check=True)


def free_port() -> str:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def ready(url: str) -> bool:
    """Whether a server answers that it is."""
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False
