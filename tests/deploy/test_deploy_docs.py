"""docs/deploy.md says what is so."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from deploy import errors
from deploy.cli import app
from deploy.cli.screen import INTERRUPTED
from deploy.targets import TARGETS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {name: {opt for p in command.params for opt in p.opts} for name, command in COMMANDS.items()}
ELSEWHERE = {"--stack-name", "--capabilities", "--template-file", "--parameter-overrides"}  # the AWS command line's
OUTCOMES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DeployError)]


def test_every_command_is_described() -> None:
    served = {"image", "plan", "up", "status", "smoke", "update", "scale", "logs", "down"}
    assert set(COMMANDS) == served | {"batch", "cost"}
    assert [name for name in COMMANDS if not re.search(rf"(`|detect-deploy ){name}\b", TEXT)] == []


def test_every_option_that_is_named_exists() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - ELSEWHERE
    assert named <= set().union(*OPTIONS.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_common_options(name: str) -> None:
    assert {"--json", "--region", "--profile", "--endpoint-name"} <= OPTIONS[name]


def test_every_exit_code_is_listed_and_no_other() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
    assert listed == {0, INTERRUPTED} | {kind.exit_code for kind in OUTCOMES}


def test_the_error_trees_drawing_has_every_class_with_its_code() -> None:
    drawn = dict(re.findall(r"(\w+) +(\d+)  ", errors.__doc__ or ""))
    assert drawn == {kind.__name__: str(kind.exit_code) for kind in OUTCOMES}


def test_the_table_of_targets_is_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", TEXT, re.MULTILINE)
    assert [name for name, _ in rows] == list(TARGETS)
    for name, machine in rows:
        assert (TARGETS[name].instance_type or "--memory-mb") in machine
