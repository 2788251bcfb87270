"""Things that are timed in turn, so that whatever else the machine does hits all of them."""

import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from inference import HOOKS

ROUNDS, TIMES = 7, 12


class Subject(NamedTuple):
    """What to time: a kind of `subject.py`, on which model directory, with which Python, by its own request if any."""

    kind: str
    model_dir: Path = Path()
    python: Path = Path(sys.executable)
    request: Path | None = None


def race(subjects: dict[str, Subject], request: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """The median milliseconds of each, over rounds in which each has its turn."""
    with ExitStack() as stack:
        processes = {name: stack.enter_context(start(subject, request)) for name, subject in subjects.items()}
        taken: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(rounds):
            for name, process in processes.items():
                taken[name] += turn(process)
    return {name: statistics.median(times) for name, times in taken.items()}


def start(subject: Subject, request: Path) -> "subprocess.Popen[str]":
    """Start the process that does the thing; it ends with its standard input."""
    script = Path(__file__).with_name("subject.py")
    paths = [str(path) for path in (HOOKS, subject.model_dir, subject.request or request)]
    command = [str(subject.python), "-W", "ignore", str(script), subject.kind, *paths]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def turn(process: "subprocess.Popen[str]") -> list[float]:
    """Let one have its turn; threads of the one before may still spin for a moment."""
    assert process.stdin
    assert process.stdout
    time.sleep(0.3)
    process.stdin.write(f"{TIMES}\n")
    process.stdin.flush()
    times: list[float] = json.loads(process.stdout.readline())
    return times
