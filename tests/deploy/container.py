"""What runs behind a stand-in endpoint: a real process that serves a real artifact."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LIGHT = (sys.executable, "-S", "-E", str(Path(__file__).parent / "light_server.py"))
REAL = (sys.executable, "-m", "inference.server")


class Container:
    """An artifact, unpacked and served by a command that prints `listening on URL`."""

    def __init__(self, command: Sequence[str], artifact: bytes, environment: Mapping[str, str] | None = None) -> None:
        self.folder = tempfile.TemporaryDirectory()
        with tarfile.open(fileobj=io.BytesIO(artifact)) as tar:
            tar.extractall(self.folder.name, filter="data")
        self.busy, self.stopped = threading.Lock(), False
        self.lines: list[str] = []
        self.logged = 0
        self.url = ""
        self.process = subprocess.Popen(
            [*command, "--model-dir", self.folder.name, "--host", "127.0.0.1", "--port", "0", "--stop-with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Collects what the container says, and hears where it listens."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("listening on "):
                self.url = line.split()[-1]

    @property
    def failed(self) -> bool:
        """Whether the process has ended by itself."""
        return self.process.poll() is not None

    def ping(self) -> bool:
        """Whether GET /ping answers 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError):
            return False

    def invoke(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes] | None:
        """Status, type and body of POST /invocations; None from one that was stopped meanwhile."""
        with self.busy:
            return None if self.stopped else self.post(body, headers)

    def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        request = urllib.request.Request(f"{self.url}/invocations", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"] or "", error.read()

    def stop(self) -> None:
        """Ends the process when it has answered what it was asked, and forgets the artifact."""
        with self.busy:
            self.stopped = True
        self.process.terminate()
        self.process.wait(30)
        self.reader.join(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.folder.cleanup()


def model_error(status: int, body: bytes) -> bytes:
    """What SageMaker's runtime makes of a container's error."""
    text = body.decode(errors="replace")
    return json.dumps(
        {"Message": f"Received server error ({status})", "OriginalStatusCode": status, "OriginalMessage": text}
    ).encode()
