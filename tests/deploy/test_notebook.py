"""The notebook does what it says, from an empty account to an empty account."""

from pathlib import Path

import nbformat
import pytest

from tests.deploy import moto_side, notebook
from tests.deploy.cloud import ACCOUNT, Cloud
from tests.deploy.container import REAL
from tests.deploy.deployment import BUCKET, IMAGE
from tests.deploy.leftovers import leftovers


@pytest.mark.usefixtures("docker")
def test_the_notebook_deploys_detects_measures_prices_and_deletes_everything(cloud: Cloud, tmp_path: Path) -> None:
    cloud.plane.command = REAL
    cells = notebook.run(cloud, tmp_path, POLL_SECONDS=0.05)
    assert "endpoint detect-notebook: InService" in notebook.printed(cells["up"])
    assert "1 in astronaut.jpg: person" in notebook.printed(cells["detect"])
    assert [cell.id for cell in cells.values() if notebook.drawn(cell)] == ["detect", "latency"]
    assert leftovers(cloud) == []
    assert (moto_side.roles(ACCOUNT), moto_side.buckets(ACCOUNT)) == ([], [BUCKET])


def test_elastic_inference_gets_aws_answer_and_leaves_nothing_after_the_last_cell(cloud: Cloud, tmp_path: Path) -> None:
    cells = notebook.run(cloud, tmp_path, allow_errors=True, POLL_SECONDS=0.05, CONTAINER=IMAGE, ELASTIC_INFERENCE=True)
    assert "AWS no longer offers Elastic Inference" in notebook.printed(cells["plan"])
    assert notebook.raised(cells["up"]).startswith("ElasticInferenceGone: AWS no longer offers Elastic Inference")
    assert notebook.raised(cells["down"]) == ""
    assert leftovers(cloud) == []


def test_an_error_in_a_cell_says_what_to_do(cloud: Cloud, tmp_path: Path) -> None:
    cells = notebook.run(cloud, tmp_path, allow_errors=True, CONTAINER="mine:1")
    assert notebook.raised(cells["plan"]).startswith("Refused: mine:1 is no image in ECR")
    assert "`detect-deploy image` makes one" in "".join(cells["plan"].outputs[-1].traceback)


def test_the_notebook_is_stored_without_outputs() -> None:
    stored = notebook.read()
    nbformat.validate(stored)
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count] == []
