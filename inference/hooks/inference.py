"""The four hooks that SageMaker's containers, and our own server, call.

Runs on Python 3.6 and later; the folder's other files are imported flat, as the container unpacks them.
"""

import glob
import os
from typing import Any

import bodies
import codec
import copies
import manifest

loaded = {}  # type: dict[str, Any]


def model_fn(model_dir: str) -> Any:
    """Load and warm up the model of a directory; a second call is free, since the containers make two."""
    for known in loaded:
        if copies.same_model(known, model_dir):
            return loaded[known]
    described = manifest.read_manifest(model_dir)
    if glob.glob(os.path.join(model_dir, "*.onnx")):
        import onnx_engine

        loaded[model_dir] = onnx_engine.load(model_dir, described)
    else:
        import mxnet_engine

        loaded[model_dir] = mxnet_engine.load(model_dir, described)
    return loaded[model_dir]


def input_fn(request_body: "bytes | bytearray | str", content_type: "str | None" = None) -> Any:
    """Read a request body: JSON, an image as it is, or JSON lines."""
    return bodies.read(request_body, content_type)


def predict_fn(data: Any, model: Any) -> Any:
    """Return the detections in the image, or of each line its own, and who made them."""
    return bodies.answer(data, model)


def output_fn(prediction: Any, accept: "str | None" = None) -> "tuple[str, str]":
    """Write detections as JSON, those of lines as lines. Return the type too."""
    return codec.encode_response(prediction, accept)
