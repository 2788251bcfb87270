"""The reference: stock GluonCV, none of our code. Reads `[path, short]` pairs from stdin, writes their detections."""

import json
import sys

import mxnet as mx
from gluoncv import model_zoo
from gluoncv.data.transforms.presets.ssd import transform_test

name, params, labels, mean, std = json.loads(sys.argv[1])
network = model_zoo.get_model(name, classes=labels, pretrained_base=False)
network.load_parameters(params)
network.hybridize()
answers = []
for path, short in json.load(sys.stdin):
    tensor, _ = transform_test(mx.image.imread(path), short=short, mean=tuple(mean), std=tuple(std))
    ids, scores, boxes = (out[0].asnumpy().tolist() for out in network(tensor))
    answers.append({"shape": list(tensor.shape), "cid": ids, "score": scores, "bbox": boxes})
json.dump(answers, sys.stdout)
