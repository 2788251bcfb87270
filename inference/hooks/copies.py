"""Whether two model directories hold one model. The oldest container asks for it twice: in a copy, then in its place.

Runs on Python 3.6 and later.
"""

import filecmp
import fnmatch
import os

OF_A_MODEL = ("*.onnx", "*.params", "*-symbol.json", "model.json")


def same_model(one: str, other: str) -> bool:
    """Return whether the files that make the model are the same, byte by byte."""
    if one == other:
        return True
    names = files_of_a_model(one)
    return names == files_of_a_model(other) and filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


def files_of_a_model(model_dir: str) -> "list[str]":
    """Return the names of the files that make the model, sorted; none where the folder is gone."""
    names = sorted(os.listdir(model_dir)) if os.path.isdir(model_dir) else []
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in OF_A_MODEL)]
