"""The commands of docs/training.md can be typed."""

import importlib
import re
import shlex

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "training.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
TRAIN = [command[1:] for command in COMMANDS if command[0] == "scripts/train" and command[1].islower()]


def test_the_page_shows_every_program() -> None:
    assert {command[0] for command in TRAIN} == {"prepare", "train", "evaluate", "sheet", "gluon_params", "card"}
    assert (ROOT / "scripts" / "train").stat().st_mode & 0o100


@pytest.mark.parametrize("command", TRAIN, ids=" ".join)
def test_a_program_takes_the_options_that_the_page_gives_it(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module(command[0]).main(["--help"])
    usage = capsys.readouterr().out
    assert [option for option in command if option.startswith("--") and option not in usage] == []
