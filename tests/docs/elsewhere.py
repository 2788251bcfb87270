"""Commands of the pages that their test does not run: what they are, why not, and what tries them instead."""

import re
from typing import NamedTuple

from tests.conftest import ROOT


class Elsewhere(NamedTuple):
    """Commands that match `pattern`; `instead` is a file, and a test in it where one is named after `::`."""

    pattern: str
    why: str
    instead: str

    @property
    def tried(self) -> bool:
        """Whether what tries them is there."""
        path, _, test = self.instead.partition("::")
        return (ROOT / path).is_file() and (not test or f"def {test}(" in (ROOT / path).read_text())


TABLE = [
    Elsewhere(
        r"scripts/test$",
        "runs the very test that would run it",
        ".ci/run",
    ),
    Elsewhere(
        r"scripts/train ",
        "needs PyTorch, data and hours",
        "tests/training/test_training_docs.py::test_a_program_takes_the_options_that_the_page_gives_it",
    ),
    Elsewhere(
        r"\.venv-mxnet/bin/python -m inference\.export ",
        "needs MXNet, and half a minute",
        "tests/inference/test_endpoint_docs.py::test_the_exports_that_the_pages_show_have_options_that_exist",
    ),
    Elsewhere(
        r"scripts/model ",
        "needs npm, a package index and a minute",
        "tests/docs/test_scripts_model.py::test_scripts_model_makes_the_80_class_detector_from_its_recipe",
    ),
    Elsewhere(
        r"\.venv/bin/python -m inference\.server --model-dir inference/models/coco ",
        "needs the model that scripts/model makes",
        "tests/test_coco_model.py",
    ),
    Elsewhere(
        r"\.venv-dev/bin/python -m inference\.export\.tensorflowjs ",
        "needs a graph",
        "tests/inference/test_tensorflowjs.py",
    ),
    Elsewhere(
        r"\.venv-dev/bin/python -m tests\.bench\.",
        "takes minutes of a quiet machine",
        "tests/docs/test_blocks.py::test_every_benchmark_that_a_page_names_exists_and_takes_its_options",
    ),
    Elsewhere(
        r"scripts/bench( |$)",
        "takes minutes of a quiet machine, and installs the peers",
        "tests/bench/test_peers.py",
    ),
    Elsewhere(
        r"docker build ",
        "needs an image builder",
        "tests/images/test_images.py",
    ),
    Elsewhere(
        r"docker run ",
        "needs the image",
        "tests/images/test_images.py::test_its_banner_shows_what_a_published_port_makes_true",
    ),
    Elsewhere(
        r"\.venv/bin/detect-deploy image ",
        "needs docker",
        "tests/deploy/test_image.py::test_what_is_built_and_pushed_is_an_image_that_sagemaker_takes",
    ),
    Elsewhere(
        r"aws cloudformation deploy ",
        "needs an account with a network in it",
        "tests/deploy/test_gateway_files.py::test_the_command_that_the_page_shows_names_the_templates_own_parameters",
    ),
]


def elsewhere(command: str) -> Elsewhere | None:
    """The row that a command is in."""
    return next((row for row in TABLE if re.match(row.pattern, command)), None)
