"""Four hooks as one writes them from the wire contract alone, with no guard: what an original endpoint runs.

Python 3.6, MXNet 1.4.1 and GluonCV 0.6.0.
"""

import base64
import json
import os
from typing import Any

import mxnet as mx
from gluoncv import model_zoo
from gluoncv.data.transforms.presets.ssd import transform_test


def model_fn(model_dir: str) -> Any:
    network = model_zoo.get_model("ssd_300_mobilenet0.25_custom", classes=["person"], pretrained_base=False)
    network.load_parameters(os.path.join(model_dir, "model.params"))
    network.hybridize()
    return network


def input_fn(request_body: bytes, content_type: str) -> Any:
    request = json.loads(request_body)
    image = mx.image.imdecode(base64.b64decode(request["image"]))
    return transform_test(image, short=request.get("short", 224))[0]


def predict_fn(data: Any, model: Any) -> Any:
    return [list(data.shape)] + [out[0].asnumpy().tolist() for out in model(data)]


def output_fn(prediction: Any, accept: str) -> Any:
    shape, ids, scores, boxes = prediction
    return json.dumps({"shape": shape, "cid": ids, "score": scores, "bbox": boxes})
