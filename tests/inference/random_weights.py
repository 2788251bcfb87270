"""Random weights for a network of GluonCV's, run by MXNet's Python: `random_weights.py NETWORK FILE LABEL...`.

Scores spread over the whole range and boxes stay finite, which GluonCV's own beginnings do not give.
"""

import sys

import mxnet as mx
from gluoncv import model_zoo


def write(name: str, file: str, labels: "list[str]") -> None:
    """Write the parameters, the same each time."""
    mx.random.seed(1)
    size = int(name.split("_")[1])
    network = model_zoo.get_model(name, classes=labels, pretrained_base=False)
    network.initialize()
    network(mx.nd.zeros((1, 3, size, size)))
    gain = 2 if "mobilenet" in name else 1  # keeps the variance on its way; residual blocks and VGG's scale add some
    for parameter, values in network.collect_params(".*(weight|var|gamma)$").items():
        if parameter.endswith("weight"):
            values.set_data(mx.nd.random.normal(shape=values.shape) * (gain / values.data()[0].size) ** 0.5)
        else:
            values.set_data(mx.nd.ones(values.shape))
    network.save_parameters(file)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], sys.argv[3:])
