"""Without AWS credentials `plan` shows what `up` would make, and asks nobody."""

import socket
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.targets import TARGETS
from tests.deploy.cloud import REGION
from tests.deploy.commands import Deploy


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deploy:
    """The command line of an operator without credentials, configuration or network."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("it went to the network")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return Deploy()


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "eia"])
def test_a_plan_without_credentials_is_one_for_an_example_account(stranger: Deploy, target: str) -> None:
    shown = stranger("plan", "--target", target, "--region", "eu-west-1")
    assert shown.code == 0, shown.err
    assert "example account (123456789012)" in shown.out
    assert "aws configure" in shown.out
    told = stranger("plan", "--json", "--target", target).json
    assert told["example"]
    assert {step["action"] for step in told["plan"]} == {"create"}
    assert told["cost"]["per_hour"] is not None


def test_other_commands_say_that_there_are_no_credentials(stranger: Deploy) -> None:
    answer = stranger("status", "--region", "us-east-1")
    assert answer.code == 4
    assert "No AWS credentials were found." in answer.err


def test_the_example_is_the_plan_that_a_new_account_gets(
    deploy: Deploy, wanted: list[str], request: pytest.FixtureRequest
) -> None:
    real = deploy("plan", "--json", *wanted).json
    example = request.getfixturevalue("stranger")("plan", "--json", *wanted, "--region", REGION).json
    assert [(step["action"], step["kind"], step["note"]) for step in example["plan"]] == [
        (step["action"], step["kind"], step["note"]) for step in real["plan"]
    ]
    assert example["cost"] == real["cost"]
