"""docs/notebook.ipynb, run from its first cell to its last."""

import base64
import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tests.conftest import ROOT
from tests.deploy.cloud import Cloud

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def read() -> NotebookNode:
    """The notebook as it is stored."""
    notebook: NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    return notebook


def run(cloud: Cloud, home: Path, allow_errors: bool = False, **parameters: Any) -> dict[str, NotebookNode]:
    """Its cells with their outputs, by id; `parameters` replace its own. Jupyter keeps its files in `home`.

    Raises CellExecutionError, unless errors are allowed.
    """
    notebook = read()
    after = 1 + next(at for at, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    given = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.insert(after, new_code_cell(given, id="given"))
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    client = NotebookClient(notebook, timeout=300, allow_errors=allow_errors, resources=where)
    client.execute(env=os.environ | cloud.environment | {"IPYTHONDIR": str(home), "MPLCONFIGDIR": str(home)})
    return {cell.id: cell for cell in notebook.cells}


def printed(cell: NotebookNode) -> str:
    """What a cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def drawn(cell: NotebookNode) -> bytes:
    """The figure that a cell shows, as PNG, or nothing."""
    figures = (output.get("data", {}).get("image/png", "") for output in cell.get("outputs", ()))
    return base64.b64decode("".join(figures))


def raised(cell: NotebookNode) -> str:
    """The error that a cell ended with, or nothing."""
    return next((f"{o.ename}: {o.evalue}" for o in cell.outputs if o.output_type == "error"), "")
