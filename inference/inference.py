"""The four hooks that SageMaker's containers, and our own server, call.

Runs on Python 3.6 and later; the folder's other files are imported flat, as the container unpacks them.
"""

import glob
import os

import codec
import manifest
import picture

_models = {}  # type: dict[str, object]


def model_fn(model_dir: str) -> object:
    """Load the model of a directory and warm it up; a second call is free, as the container makes two."""
    if model_dir not in _models:
        _models[model_dir] = load(model_dir)
    return _models[model_dir]


def load(model_dir):
    if glob.glob(os.path.join(model_dir, "*.onnx")):
        import onnx_engine as engine
    else:
        import mxnet_engine as engine
    return engine.load(model_dir, manifest.read_manifest(model_dir))


def input_fn(request_body, content_type=None):
    """Decode a request body to an RGB picture, uint8 (H, W, 3), at the size that the model sees."""
    request = codec.decode_request(request_body, content_type)
    return picture.shorten(picture.decode_picture(request.image), request.short)


def predict_fn(data, model):
    """Return the picture's detections and who made them."""
    return model(data), model.about


def output_fn(prediction, accept=None):
    """Write detections as JSON."""
    detections, about = prediction
    return codec.encode_response(detections, about, accept), "application/json"
