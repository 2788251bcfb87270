"""Exports a network of GluonCV's with random weights, by its name and then from the symbol that this wrote.

Run by MXNet's Python: `-m tests.inference.exported FOLDER NETWORK LABEL...`; of several labels the last is kept.
Writes the number of anchors over the comparison's floor, and both reports, as JSON.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from inference.export import __main__ as export
from inference.export import parity
from manifest import read_manifest
from tests.inference.random_weights import write

folder, name, *labels = sys.argv[1:]
size = name.split("_")[1]
write(name, folder + "/random.params", labels)


def reported(out: str, *options: str) -> str:
    """Export to a folder, and return what is said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert export.main([*options, "--input-size", size, "--labels", labels[-1], "--out", out]) == 0
    return said.getvalue()


named, copied = folder + "/named", folder + "/copied"
first = reported(named, name, "--params", folder + "/random.params", "--trained-on", *labels)
second = reported(copied, "--symbol", named + "/model-symbol.json", "--params", named + "/model-0000.params")
manifest = read_manifest(copied)
scores, _ = parity.mxnet_network(Path(copied, "model"), manifest)(export.noise(int(size)))
json.dump([int((scores > parity.SEEN).sum()), first, second], sys.stdout)
