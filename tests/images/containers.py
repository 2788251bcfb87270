"""Runs an image as a platform would: read-only root, the image's own user, its entry point as process 1."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

import httpx2

GATEWAY, ENDPOINT, LOCAL = "detect-gateway", "detect-endpoint", "detect-local"
ROOT = Path(__file__).resolve().parent.parent.parent
BUNDLED = ROOT / "inference" / "models" / "person"
LOOPBACK = "127.0.0.1"
# The variable with the port that each listens on, and the path that says that it does.
READY = {
    GATEWAY: ("DETECT_PORT", "/health/live"),
    ENDPOINT: ("SAGEMAKER_BIND_TO_PORT", "/ping"),
    LOCAL: ("DETECT_PORT", "/health/ready"),
}
PATIENCE = 30  # seconds for a start or a stop


@dataclass(frozen=True)
class Run:
    """What to run: an image with these environment variables and, read-only, these folders (inside → on the host)."""

    image: str
    environment: dict[str, str] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    user: str | None = None


class Docker:
    """Images of a Docker engine."""

    def config(self, image: str) -> dict[str, Any]:
        """The image's configuration: User, Env, Entrypoint, Cmd, Healthcheck, Labels…"""
        config: dict[str, Any] = json.loads(_output("docker", "image", "inspect", image))[0]["Config"]
        return config

    def command(self, run: Run, entrypoint: Sequence[str], arguments: Sequence[str]) -> list[str]:
        """A command that runs the image in the foreground, on the machine's own loopback."""
        options = ["--rm", "--read-only", "--network=host", "--cap-drop=ALL", f"--entrypoint={entrypoint[0]}"]
        options += [f"--env={name}={value}" for name, value in run.environment.items()]
        options += [f"--volume={folder}:{inside}:ro" for inside, folder in run.folders.items()]
        options += [f"--user={run.user}"] if run.user else []
        return ["docker", "run", *options, run.image, *entrypoint[1:], *arguments]

    def first_process(self, client: int) -> int:
        """The process to signal: Docker's client passes signals on."""
        return client


class Buildah:
    """Images of buildah, run without an engine in mount and process namespaces of their own."""

    # $1 is the root; then pairs of folder and place inside up to `--`; then the command.
    READ_ONLY_ROOT = """set -e
        root=$1; shift
        mount --bind "$root" "$root"
        while [ "$1" != -- ]; do mkdir -p "$root$2"; mount --bind --read-only "$1" "$root$2"; shift 2; done; shift
        mount -o remount,bind,ro "$root"
        mount -t proc proc "$root/proc"
        for tree in dev sys; do mount --rbind "/$tree" "$root/$tree"; done
        exec "$@"
    """

    def config(self, image: str) -> dict[str, Any]:
        """The image's configuration: User, Env, Entrypoint, Cmd, Healthcheck, Labels…"""
        config: dict[str, Any] = json.loads(_output("buildah", "inspect", "--type=image", image))["Docker"]["config"]
        return config

    def command(self, run: Run, entrypoint: Sequence[str], arguments: Sequence[str]) -> list[str]:
        """A command that runs the image in the foreground, on the machine's own loopback."""
        config, root = self.config(run.image), _mounted(run.image)
        folders = [part for inside, folder in run.folders.items() for part in (str(folder), inside)]
        environment = [*config["Env"], *(f"{name}={value}" for name, value in run.environment.items())]
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        inside = ["chroot", f"--userspec={run.user or config['User']}", "--groups=", root]
        command = ["env", "-i", f"--chdir={config['WorkingDir']}", *environment, *entrypoint, *arguments]
        return [*namespaces, "sh", "-c", self.READ_ONLY_ROOT, "sh", root, *folders, "--", *inside, *command]

    def first_process(self, client: int) -> int:
        """The process to signal: the one that is number 1 inside, the only child of `unshare`."""
        return int(Path(f"/proc/{client}/task/{client}/children").read_text())


TOOLS: dict[str, Docker | Buildah] = {"docker": Docker(), "buildah": Buildah()}


@cache
def _mounted(image: str) -> str:
    """Where the root file system of a container of this image lies; scripts/images removes its containers."""
    return _output("buildah", "mount", _output("buildah", "from", image))


@dataclass
class Container:
    """A container that runs; its output goes to `log`."""

    process: subprocess.Popen[bytes]
    tool: Docker | Buildah
    output: IO[bytes]

    @property
    def log(self) -> str:
        """Everything it has printed."""
        return Path(self.output.name).read_text()

    def answers(self, url: str) -> None:
        """Wait until this URL answers 200; fail with the log where the container ends before."""
        deadline = time.monotonic() + PATIENCE
        while not _is_ok(url):
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"no 200 from {url}:\n{self.log}"
            time.sleep(0.05)

    def stop(self) -> int:
        """Send SIGTERM to its first process; the status it ends with."""
        os.kill(self.tool.first_process(self.process.pid), signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@dataclass(frozen=True)
class Images:
    """Images that one of the tools holds."""

    tool: Docker | Buildah

    def config(self, image: str) -> dict[str, Any]:
        """The image's configuration."""
        return self.tool.config(image)

    @contextmanager
    def started(self, run: Run, *arguments: str) -> Iterator[Container]:
        """The image's own entry point, with these arguments or else the image's; killed at the end if need be."""
        config = self.config(run.image)
        command = self.tool.command(run, config["Entrypoint"], arguments or config["Cmd"])
        with tempfile.NamedTemporaryFile() as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            container = Container(process, self.tool, output)
            try:
                yield container
            finally:
                if process.poll() is None:
                    container.stop()

    @contextmanager
    def answering(self, run: Run, *arguments: str) -> Iterator[tuple[Container, str]]:
        """The same, once it answers, and its URL."""
        port, path = READY[run.image]
        url = f"http://{LOOPBACK}:{run.environment[port]}"
        with self.started(run, *arguments) as container:
            container.answers(url + path)
            yield container, url

    def run(self, run: Run, *command: str) -> subprocess.CompletedProcess[str]:
        """Run another command in the image, to its end."""
        full = self.tool.command(run, command[:1], command[1:])
        return subprocess.run(full, capture_output=True, text=True, timeout=PATIENCE, check=False)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _is_ok(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
