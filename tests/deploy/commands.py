"""detect-deploy as an operator runs it: in this process or as one of its own; and model folders to run it with."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from deploy.cli import app

COMMAND = Path(sys.executable).parent / "detect-deploy"
FAST = ("--poll-seconds", "0.02", "--timeout-minutes", "0.5")


@dataclass
class Answer:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its JSON document."""
        return json.loads(self.out)


class Deploy:
    """detect-deploy, in this process."""

    def __call__(self, *arguments: str | Path) -> Answer:
        command, *options = map(str, arguments)
        line = [command, *FAST, *options]
        result = CliRunner().invoke(app, line, catch_exceptions=False, env={"COLUMNS": "200"})
        return Answer(result.exit_code, result.stdout, result.stderr)


def process(*arguments: str | Path) -> subprocess.Popen[str]:
    """detect-deploy as a process of its own."""
    command, *options = map(str, arguments)
    line = [str(COMMAND), command, *FAST, *options]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def ended(started: subprocess.Popen[str]) -> Answer:
    """What a process ended with."""
    out, err = started.communicate(timeout=120)
    return Answer(started.returncode, out, err)


class Weights:
    """Makes model folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, name: str = "model", **about: Any) -> Path:
        """A folder with weights for every engine; `about` goes to model.json, which light containers obey."""
        folder = self.root / name
        folder.mkdir()
        for file in ("model.onnx", "model.params", "model-symbol.json"):
            (folder / file).write_bytes(f"{name} {file}".encode() * 100)
        (folder / "model.json").write_text(json.dumps({"input_size": 64, **about}))
        return folder
