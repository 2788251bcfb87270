"""`detect-deploy image`, and the look at an image before SageMaker is told to run it."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.deploy.cloud import ACCOUNT, REGION, Cloud, Rule
from tests.deploy.commands import Deploy, ended, process
from tests.deploy.registry import OCI_INDEX

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


@pytest.mark.parametrize(("architecture", "target"), [("amd64", "cpu"), ("arm64", "graviton")])
def test_what_is_built_and_pushed_is_an_image_that_sagemaker_takes(
    cloud: Cloud, deploy: Deploy, docker: Path, order: list[str], architecture: str, target: str
) -> None:
    options = ("--name", "mine:7", "--architecture", architecture, "--context", ROOT)
    assert deploy("image", *options).out.strip() == f"{HOST}/mine:7"
    assert json.loads(docker.read_text())["password"] == "secret"
    assert deploy("up", *order, "--target", target, "--image", f"{HOST}/mine:7").code == 0


def test_the_printed_lines_do_the_same_in_a_shell(cloud: Cloud, deploy: Deploy, docker: Path) -> None:
    lines = deploy("image", "--print", "--name", "mine:7").out.splitlines()
    assert cloud.operations == []
    subprocess.run(["bash", "-euc", "\n".join(line for line in lines if not line.startswith("aws "))], check=True)
    cloud.registry.repositories.clear()
    typed = [line.partition("| ")[2] or line for line in lines[1:]]
    assert deploy("image", "--name", "mine:7", "--context", ROOT).code == 0
    said = json.loads(docker.read_text())["lines"]
    assert [["docker", *line] for line in said[-3:]] == [
        [str(ROOT) if word == "." else word for word in shlex.split(line)] for line in typed
    ]


def test_image_twice_is_no_error_and_json_is_all_that_is_said(cloud: Cloud, deploy: Deploy, docker: Path) -> None:
    for _ in range(2):
        answer = deploy("image", "--json", "--name", "mine:7", "--context", ROOT)
        assert (answer.code, answer.err) == (0, "")
        assert answer.json["image"] == f"{HOST}/mine:7"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--architecture", "vax"), "amd64 or arm64"),
        (("--context", "/"), "no Dockerfile"),
        (("--name", "Capital"), "no image in ECR"),
    ],
)
def test_what_cannot_be_built_is_refused(
    cloud: Cloud, deploy: Deploy, docker: Path, options: tuple[str, ...], words: str
) -> None:
    answer = deploy("image", *options)
    assert answer.code == 2
    assert words in answer.err
    assert cloud.operations == []


def test_without_docker_the_way_is_said(
    deploy: Deploy, docker: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    answer = deploy("image", "--context", ROOT)
    assert answer.code == 2
    assert "--print" in answer.err


@pytest.mark.parametrize(
    ("about", "options", "words"),
    [
        ({"media_type": OCI_INDEX}, (), "does not read"),
        ({"architecture": "arm64"}, (), "runs amd64"),
        ({}, ("--target", "graviton"), "--architecture arm64"),
        ({"size": 11_000_000_000}, ("--target", "serverless"), "take 10 GB"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "up"])
def test_an_image_that_sagemaker_would_refuse_is_refused_before_anything_is_made(
    cloud: Cloud,
    deploy: Deploy,
    wanted: list[str],
    command: str,
    about: dict[str, str],
    options: tuple[str, ...],
    words: str,
) -> None:
    cloud.registry.push(f"{HOST}/odd:1", **about)
    answer = deploy(command, *wanted, "--image", f"{HOST}/odd:1", *options)
    assert answer.code == 2
    assert words in " ".join(answer.err.split())
    assert cloud.operations == []


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (f"{HOST}/detect-endpoint:9", "There is no image"),
        (f"{HOST}/nothing:1", "There is no image"),
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/detect-endpoint:1", "us-east-1"),
        ("detect-endpoint:1", "no image in ECR"),
    ],
)
def test_an_image_that_is_not_where_the_endpoint_will_be_is_refused(
    cloud: Cloud, deploy: Deploy, wanted: list[str], image: str, words: str
) -> None:
    answer = deploy("up", "--yes", *wanted, "--image", image)
    assert answer.code == 2
    assert words in answer.err
    assert cloud.operations == []


def test_another_accounts_image_is_not_looked_at(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    theirs = f"999999999999.dkr.ecr.{REGION}.amazonaws.com/theirs:1"
    assert deploy("up", *order, "--image", theirs).code == 0
    assert not [call for call in cloud.calls if call.service == "ecr"]


def test_a_push_that_fails_is_said(cloud: Cloud, deploy: Deploy, docker: Path) -> None:
    cloud.rules.append(Rule("GetAuthorizationToken", "AccessDeniedException", "not authorized", status=403))
    answer = deploy("image", "--context", ROOT)
    assert answer.code == 5


def test_an_image_that_changes_after_the_look_at_it_is_refused_by_sagemaker_and_explained(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    uri = f"{HOST}/detect-endpoint:1"
    rule = Rule("PutObject", hold=True, times=1)
    cloud.rules.append(rule)
    running = process("up", "--json", *order)
    assert rule.reached.wait(60)
    cloud.registry.push(uri, media_type=OCI_INDEX)
    rule.release.set()
    error = ended(running).json["error"]
    assert "Unsupported manifest media type" in error["message"]
    assert "OCI" in error["hint"]
