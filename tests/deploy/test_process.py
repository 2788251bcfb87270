"""detect-deploy as people run it: a process, a terminal, Ctrl-C; and with the real container behind the endpoint."""

import os
import pty
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, Cloud, Rule
from tests.deploy.commands import COMMAND, FAST, Deploy, ended, process
from tests.deploy.container import REAL, ROOT
from tests.deploy.deployment import IMAGE
from tests.deploy.leftovers import leftovers


def test_up_and_smoke_and_down_with_the_artifact_that_was_really_packed(cloud: Cloud) -> None:
    cloud.plane.command = REAL
    deploy = f"{shlex.quote(str(COMMAND))} {{}} {shlex.join(FAST)}"
    up = deploy.format("up") + f" --yes --image {IMAGE}"
    line = " && ".join([up, deploy.format("smoke"), deploy.format("down") + " --yes --delete-role --delete-bucket"])
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "InService" in done.stdout
    assert "nothing that bills is left" in done.stdout
    assert leftovers(cloud) == []
    assert (moto_side.roles(ACCOUNT), moto_side.buckets(ACCOUNT)) == ([], [])


def test_a_model_that_the_real_container_cannot_load_is_explained_and_the_old_one_goes_on(
    cloud: Cloud, deploy: Deploy, tmp_path: Path
) -> None:
    cloud.plane.command = REAL
    assert deploy("up", "--yes", "--image", IMAGE, "--timeout-minutes", "3").code == 0
    (tmp_path / "model.onnx").write_bytes(b"no model")
    answer = deploy("update", "--yes", "--json", "--model-dir", tmp_path, "--timeout-minutes", "3")
    assert answer.code == 10
    assert answer.json["error"]["log"]
    assert deploy("smoke", "--json").json["smoke"]["shape"][:2] == [1, 3]


def at_a_terminal(cloud: Cloud, order: list[str], reply: bytes) -> int:
    """The exit code of `up` at a terminal where somebody answers the question."""
    operator, terminal = pty.openpty()
    line = [str(COMMAND), "up", *FAST, *[option for option in order if option != "--yes"]]
    running = subprocess.Popen(line, stdin=terminal, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    os.write(operator, reply)
    code = running.wait(120)
    os.close(operator)
    os.close(terminal)
    return code


@pytest.mark.parametrize(("reply", "code"), [(b"n\n", 3), (b"y\n", 0)])
def test_the_operator_is_asked_and_only_a_yes_makes_anything(
    cloud: Cloud, order: list[str], reply: bytes, code: int
) -> None:
    assert at_a_terminal(cloud, order, reply) == code
    assert bool(leftovers(cloud)) is (code == 0)


def test_ctrl_c_says_what_to_do_and_ends_with_130(cloud: Cloud, order: list[str]) -> None:
    cloud.plane.slowness = 1 << 30
    rule = Rule("DescribeEndpoint", hold=True, times=3)
    cloud.rules.append(rule)
    running = process("up", *order, "--timeout-minutes", "5")
    assert rule.reached.wait(60)
    rule.release.set()
    running.send_signal(signal.SIGINT)
    answer = ended(running)
    assert answer.code == 130
    assert "Traceback" not in answer.err
    assert "again" in answer.err
    cloud.plane.slowness = 0
    for run in cloud.plane.running.values():
        run.looks = 0


def test_json_is_all_that_stdout_gets(cloud: Cloud, order: list[str]) -> None:
    answer = ended(process("up", "--json", *order))
    assert answer.code == 0
    assert answer.json["endpoint"]["status"] == "InService"
    assert answer.err == ""
