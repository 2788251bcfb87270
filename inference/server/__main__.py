"""Serve model directories as SageMaker's containers do. SIGHUP loads them again."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from inference.server import logs
from inference.server.limits import limits_of
from inference.server.process import Served, serve, supervise

NAMED = re.compile(r"(?:(?P<name>[\w.-]+)=)?(?P<dir>.*)", re.DOTALL)
BUNDLED = Path(__file__).parent.parent / "models" / "person"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C, then finish what is in flight. 0 after that, 1 if there is no model to serve."""
    options = parser().parse_args(arguments)
    logs.configure()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to load again
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: sys.exit(0))
    if options.stop_with_parent:
        threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    served, listening = Served(model_dirs(options), options.queue, limits_of(options.max_payload_mb)), listen(options)
    return supervise(served, listening, options.workers) if options.workers > 1 else serve(served, listening)


def parser() -> argparse.ArgumentParser:
    """Describe the command line; the word `serve` is what SageMaker starts a container with."""
    described = argparse.ArgumentParser(prog="inference.server", description=__doc__)
    add = described.add_argument
    add("command", nargs="?", choices=["serve"], default="serve")
    what = "weights, model.json, and code/ if it brings hooks; NAME=DIR, and again, for several, each asked by its name"
    add("--model-dir", action="append", metavar="[NAME=]DIR", help=what)
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")), help="0: a free port")
    add("--unix-socket", type=Path, help="listen on this Unix socket instead of a port")
    add("--workers", type=int, default=1, help="number of processes; each gets a share of the cores")
    add("--queue", type=int, default=64, help="maximum queued requests per process; more are rejected")
    payload = os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", "6")
    add("--max-payload-mb", type=int, default=payload, metavar="MB", help="maximum size of a body, at least 6")
    add("--stop-with-parent", action="store_true", help="stop when standard input ends")
    return described


def model_dirs(options: argparse.Namespace) -> dict[str, Path]:
    """Return the model directories by their names; a folder's own where it is given none."""
    given = [NAMED.fullmatch(one) for one in options.model_dir or [str(default_model_dir())]]
    return {match["name"] or Path(match["dir"]).name: Path(match["dir"]) for match in given if match}


def default_model_dir() -> Path:
    """Return the folder that SageMaker unpacks the artifact in, or the bundled detector where that is empty."""
    unpacked = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model"
    return unpacked if unpacked.is_dir() and any(unpacked.iterdir()) else BUNDLED


def listen(options: argparse.Namespace) -> socket.socket:
    """Bind, so that connections are accepted from now on, and say where."""
    if options.unix_socket:
        return listen_on_file(options.unix_socket)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.create_server((options.host, options.port), family=family, backlog=2048)
    # asyncio does so only for sockets that say they are TCP; without it each answer waits 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host = f"[{options.host}]" if ":" in options.host else options.host
    say_where(f"http://{host}:{listening.getsockname()[1]}")
    return listening


def listen_on_file(path: Path) -> socket.socket:
    """Bind to a file, in place of one that an earlier process has left there."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(2048)
    say_where(str(path))
    return listening


def say_where(address: str) -> None:
    """Tell the parent process."""
    sys.stdout.write(f"listening on {address}\n")
    sys.stdout.flush()


def stop_at_end_of_input() -> None:
    """Stop when the parent process is gone; os.read, as a buffered read would block the exit."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
