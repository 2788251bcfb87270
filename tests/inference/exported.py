"""Exports a network of GluonCV's with random weights, by its name and then from the symbol that this wrote.

Run by MXNet's Python: `exported.py INFERENCE FOLDER NETWORK LABEL...`; of several labels the last is kept. Writes the
number of anchors over the comparison's floor, and both reports, as JSON.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

code, folder, name, *labels = sys.argv[1:]
sys.path.insert(0, code)

import mxnet as mx  # noqa: E402
from gluoncv import model_zoo  # noqa: E402

import export  # noqa: E402  # its folder is an argument
import manifest  # noqa: E402
import parity  # noqa: E402

size = name.split("_")[1]
mx.random.seed(1)
network = model_zoo.get_model(name, classes=labels, pretrained_base=False)
network.initialize()
network(mx.nd.zeros((1, 3, int(size), int(size))))
gain = 2 if "mobilenet" in name else 1  # keeps the variance on its way; residual blocks and VGG's scale add some
for parameter, values in network.collect_params(".*(weight|var|gamma)$").items():
    if parameter.endswith("weight"):
        values.set_data(mx.nd.random.normal(shape=values.shape) * (gain / values.data()[0].size) ** 0.5)
    else:
        values.set_data(mx.nd.ones(values.shape))
network.save_parameters(folder + "/random.params")


def reported(out: str, *options: str) -> str:
    """Export to a folder, and return what is said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert export.main([*options, "--input-size", size, "--labels", labels[-1], "--out", out]) == 0
    return said.getvalue()


named, copied = folder + "/named", folder + "/copied"
first = reported(named, name, "--params", folder + "/random.params", "--trained-on", *labels)
second = reported(copied, "--symbol", named + "/model-symbol.json", "--params", named + "/model-0000.params")
about = manifest.read_manifest(copied)
scores, _ = parity.mxnet_network(Path(copied, "model"), about)(export.noise(int(size)))
json.dump([int((scores > parity.SEEN).sum()), first, second], sys.stdout)
