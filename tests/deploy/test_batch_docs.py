"""docs/batch.md says what is so."""

import re

from typer.main import get_command

from deploy import names
from deploy.batch.pack import SHARD_IMAGES
from deploy.batch.plan import FAMILIES
from deploy.batch.source import MANIFESTS
from deploy.cli import app
from deploy.cost.measured import BULK_PER_CORE
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "batch.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {option for parameter in COMMANDS["batch"].params for option in parameter.opts}
ELSEWHERE = {"--delete-role", "--cores"}  # of `down` and of the benchmark
COMMON = {"--region", "--profile", "--json", "--poll-seconds", "-y"}  # docs/deploy.md has them


def test_every_option_that_is_named_exists_and_the_other_way_round() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT))
    assert named - ELSEWHERE <= OPTIONS
    assert {option for option in OPTIONS if option.startswith("-")} - COMMON <= named


def test_the_numbers_and_names_are_those_of_the_code() -> None:
    assert f"an object for each {SHARD_IMAGES} files" in TEXT
    assert f"default: {BULK_PER_CORE:g} for each vCPU" in TEXT
    assert ", ".join(FAMILIES[:-1]) + f" and {FAMILIES[-1]}" in TEXT
    assert all(f"`{suffix}`" in TEXT for suffix in MANIFESTS)
    assert f"`{names.batch_folder(names.batch_name('ENDPOINT'))}JOB/`" in TEXT
