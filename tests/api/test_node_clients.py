"""axios, superagent, form-data and the AWS SDK for JavaScript, as people install them, against a gateway."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Start
from tests.conftest import ROOT
from tests.example_images import jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply

NODE = ROOT / "tests" / "node"
PERSON, FAINT = (0, 0.981, (128.0, 64.0, 256.0, 448.0)), (0, 0.2, (0.0, 0.0, 64.0, 64.0))
BOX = {"Width": 0.25, "Height": 0.75, "Left": 0.25, "Top": 0.125}


@pytest.fixture
def answers(start: Start, seed_endpoint: SeedEndpoint, tmp_path: Path) -> Any:
    if not (shutil.which("node") and (NODE / "node_modules").is_dir()):
        pytest.skip("no Node.js, or its packages are not installed: scripts/test does that")
    seed_endpoint.script = lambda _: reply(answer(PERSON, FAINT))
    url = str(start(labels="person", model_name="person").base_url).rstrip("/")
    image = tmp_path / "image.jpg"
    image.write_bytes(jpeg())
    aws = {"AWS_ENDPOINT_URL_REKOGNITION": url, "AWS_REGION": "eu-west-1"}
    command = ["node", str(NODE / "ask.mjs"), url, str(image)]
    ended = subprocess.run(command, env={**os.environ, **aws}, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_node_clients_as_they_are_get_the_boxes(answers: Any) -> None:
    assert answers["axios"]["count"] == 2, "min_score came as a form field"
    assert answers["axios"]["detections"][:1] == answers["superagent"]["detections"]
    assert answers["superagent"]["detections"] == answers["formData"]["detections"]
    (label,) = answers["rekognition"]
    assert (label["Name"], label["Confidence"]) == ("Person", 98.1)
    assert [one["BoundingBox"] for one in label["Instances"]] == [
        BOX,
        {"Width": 0.125, "Height": 0.125, "Left": 0, "Top": 0},
    ]
    assert answers["rekognitionCustom"] == [{"Name": "person", "Confidence": 98.1, "Geometry": {"BoundingBox": BOX}}]
    assert answers["rekognitionError"] == {"name": "InvalidImageFormatException", "attempts": 1}
