"""Writes the bundled detector as symbol and parameters with the MXNet that runs this: `symbol.py PARAMS PREFIX`."""

import sys

import mxnet as mx
from gluoncv import model_zoo

params, prefix = sys.argv[1:]
network = model_zoo.get_model("ssd_300_mobilenet0.25_custom", classes=["person"], pretrained_base=False)
network.load_parameters(params)
network.hybridize()
network(mx.nd.zeros((1, 3, 300, 300)))
network.export(prefix, epoch=0)
