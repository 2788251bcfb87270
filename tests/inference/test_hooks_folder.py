"""What ships in an artifact's code/ is the folder of the hooks, whole, and it needs nothing else of the repository."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import HOOKS
from tests.model_dirs import BUNDLED

FILES = sorted(HOOKS.glob("*.py"))
PACKAGES = {"PIL", "eimx", "gluoncv", "mxnet", "numpy", "openvino", "sagemaker_inference"}
ALLOWED = PACKAGES | sys.stdlib_module_names | {file.stem for file in FILES}
ANSWER = """
import sys; sys.path.insert(0, sys.argv[1])
import inference
data = inference.input_fn(sys.stdin.read(), "application/json")
print(inference.output_fn(inference.predict_fn(data, inference.model_fn(sys.argv[2])), "application/json")[0])
"""


def imported(tree: ast.AST) -> Iterator[str]:
    """The top-level names that a module imports, wherever in it; a relative import gives none that is allowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else str(node.module).partition(".")[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_hook_imports_siblings_the_standard_library_and_the_named_packages_alone(file: Path) -> None:
    assert set(imported(ast.parse(file.read_text()))) <= ALLOWED


def test_the_folder_is_flat() -> None:
    assert {path.name for path in HOOKS.iterdir()} - {"__pycache__"} == {file.name for file in FILES}


def test_inference_py_holds_the_four_hooks_and_nothing_else() -> None:
    body = ast.parse((HOOKS / "inference.py").read_text()).body
    defined = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert defined == ["model_fn", "input_fn", "predict_fn", "output_fn"]


def test_a_copy_of_the_folder_answers_far_from_the_repository(tmp_path: Path, good_request: str) -> None:
    for file in FILES:
        shutil.copy(file, tmp_path)
    command = [sys.executable, "-I", "-c", ANSWER, str(tmp_path), str(BUNDLED)]
    done = subprocess.run(command, input=good_request, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["shape"] == [1, 3, 300, 300]
