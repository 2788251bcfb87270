"""Several processes behind one listening socket, each with its share of the cores."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from cores import usable_cores

log = logging.getLogger(__name__)


def supervise(options: argparse.Namespace, listening: socket.socket) -> int:
    """Keep `options.workers` processes running until SIGTERM. 1 if one ends because it has no model to serve."""
    children = [spawn(options, listening) for _ in range(options.workers)]
    signal.signal(signal.SIGHUP, lambda *_: pass_on(children, signal.SIGHUP))
    try:
        while True:
            time.sleep(0.5)
            for place, child in enumerate(children):
                if child.poll() == 1:
                    return 1
                if child.returncode is not None:
                    log.error("worker %s ended with %s and is replaced", child.pid, child.returncode)
                    children[place] = spawn(options, listening)
    finally:
        stop(children)


def spawn(options: argparse.Namespace, listening: socket.socket) -> subprocess.Popen[bytes]:
    """Start a worker; its standard input is a pipe of ours, so that it stops even if we are killed."""
    server = Path(__file__).with_name("server.py")
    fd = listening.fileno()
    command = [sys.executable, str(server), "--queue", str(options.queue)]
    served = [part for one in options.model_dir or () for part in ("--model-dir", one)]
    threads = os.environ.get("DETECT_THREADS") or str(max(1, usable_cores() // options.workers))
    return subprocess.Popen(
        [*command, *served, "--socket", str(fd), "--stop-with-parent"],
        stdin=subprocess.PIPE,
        pass_fds=[fd],
        env={**os.environ, "DETECT_THREADS": threads},
        start_new_session=True,  # Ctrl-C reaches the supervisor alone
    )


def stop(children: list[subprocess.Popen[bytes]]) -> None:
    """End all workers, after what they have in flight."""
    pass_on(children, signal.SIGTERM)
    for child in children:
        child.wait()


def pass_on(children: list[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """Send all workers a signal."""
    for child in children:
        child.send_signal(number)
