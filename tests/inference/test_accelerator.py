"""Elastic Inference, with stand-ins for what AWS's builds of MXNet bring; MXNet itself is real."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from inference import HOOKS

CANVAS = [1, 3, 300, 300]


class Done(NamedTuple):
    """What became of a model directory, and what was logged."""

    facts: dict[str, Any]
    log: str


def load(python: Path, model_dir: Path, *stand_ins: str, attached: bool = True) -> Done:
    script = Path(__file__).with_name("accelerated.py")
    done = subprocess.run(
        [str(python), "-W", "ignore", str(script), str(model_dir), *stand_ins],
        env={**os.environ, "PYTHONPATH": str(HOOKS), "SAGEMAKER_INFERENCE_ACCELERATOR_PRESENT": str(attached).lower()},
        capture_output=True,
        text=True,
        check=True,
    )
    return Done(json.loads(done.stdout), done.stderr)


@pytest.fixture(scope="module", params=["eia", "eimx"])
def accelerated(request: pytest.FixtureRequest, mxnet_python: Path, gluon_dir: Path) -> Done:
    return load(mxnet_python, gluon_dir, request.param)


def test_mx_eia_holds_the_parameters_and_gets_the_images(mxnet_python: Path, gluon_dir: Path) -> None:
    facts, log = load(mxnet_python, gluon_dir, "eia", "eimx")  # mx.eia comes first
    assert facts["parameters"] == ["cpu(7)"]
    assert {context for _, context in facts["given"]} == {"cpu(7)"}
    assert facts["optimised"] == []
    assert "runs on cpu(7): an Elastic Inference accelerator is attached, and mx.eia is there" in log


def test_eimx_gets_the_symbol_once(mxnet_python: Path, gluon_dir: Path) -> None:
    facts, log = load(mxnet_python, gluon_dir, "eimx")
    assert facts["optimised"] == ["EIA"]
    assert "an Elastic Inference accelerator is attached, and eimx is there" in log


def test_an_accelerator_sees_one_size_whatever_is_posted(accelerated: Done) -> None:
    assert len(accelerated.facts["given"]) > 1
    assert all(shape == CANVAS for shape, _ in accelerated.facts["given"])
    assert accelerated.facts["flags"]["static_alloc"] is True
    assert accelerated.facts["flags"]["static_shape"] is True


def test_the_warm_up_compiles_and_no_request_does_again(accelerated: Done) -> None:
    assert accelerated.facts["warm"] == 1
    assert len(accelerated.facts["compiled"]) == 1


def test_an_accelerators_boxes_are_in_pixels_of_the_image_that_was_posted(accelerated: Done) -> None:
    for answer in accelerated.facts["answers"]:
        height, width = answer["shape"][2:]
        scale = [width / 300, height / 300] * 2
        for box, square in zip(answer["boxes"], answer["square"], strict=True):
            unused = square == [-1] * 4
            assert box == (square if unused else pytest.approx([a * b for a, b in zip(square, scale, strict=True)]))


@pytest.mark.parametrize(
    ("attached", "stand_ins", "why"),
    [
        (False, ["eia", "eimx"], "no Elastic Inference accelerator is attached"),
        (True, [], "an Elastic Inference accelerator is attached, but this MXNet has neither mx.eia nor eimx"),
    ],
)
def test_without_elastic_inference_the_log_says_what_is_taken_and_why(
    mxnet_python: Path, gluon_dir: Path, attached: bool, stand_ins: list[str], why: str
) -> None:
    facts, log = load(mxnet_python, gluon_dir, *stand_ins, attached=attached)
    assert f"runs on {facts['parameters'][0]}: {why}" in log
    assert facts["flags"]["static_shape"] is False
    assert [224, 398] in [shape[2:] for shape, _ in facts["given"]]
