"""A gateway of its own for a benchmark: `detect-gateway serve` with the embedded endpoint, and what it uses."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.api.processes import COMMAND


class Served:
    """A running gateway: its URL, and what its processes hold."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url

    def resident(self) -> dict[str, float]:
        """Megabytes that the gateway (its workers too) and the embedded endpoint have in memory."""
        gateway = psutil.Process(self.process.pid)
        everyone = [gateway, *gateway.children(recursive=True)]
        embedded = [one for one in everyone if "inference.server" in one.cmdline()]
        held = {one.pid: one.memory_info().rss / 2**20 for one in everyone}
        inside = sum(held[one.pid] for one in embedded)
        return {"gateway": sum(held.values()) - inside, "endpoint": inside}

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


@contextmanager
def served(*options: str, **settings: str) -> Iterator[Served]:
    """Start it on a port of the system's choice; stop it at the end. Settings are named as in docs/settings.md."""
    environment = {**os.environ, "DETECT_LOG_LEVEL": "warning", **settings}
    command = [COMMAND, "serve", "--port", "0", *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = next(re.findall(r"http://\S+?(?=/docs)", line)[0] for line in process.stdout if "/docs" in line)
        try:
            yield Served(process, url)
        finally:
            process.terminate()
