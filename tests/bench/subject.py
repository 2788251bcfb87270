"""One thing to be timed, in a process of its own: `subject.py KIND INFERENCE MODEL_DIR REQUEST`.

For each line on standard input, a number, it does the thing so often and writes the milliseconds of each as JSON.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

kind, code, model_dir, request = sys.argv[1:]
sys.path.insert(0, code)
inference = importlib.import_module("inference")  # the hooks, whose folder `code` is

MATRIX = 2048  # rows and columns, as engine.py counts them
Thing = Callable[[], Any]


def hooks() -> Thing:
    """Request body → response body, through the four hooks."""
    model, body = inference.model_fn(model_dir), Path(request).read_bytes()

    def answer() -> Any:
        data = inference.input_fn(body, "application/json")
        return inference.output_fn(inference.predict_fn(data, model), "application/json")

    return answer


def canvas() -> Any:
    """The request's image, as the network gets it."""
    return inference.input_fn(Path(request).read_bytes(), "application/json")


def openvino() -> Thing:
    """The network alone, as the endpoint runs it."""
    model, image = inference.model_fn(model_dir), canvas()
    return lambda: model.candidates(image)


def onnxruntime() -> Thing:
    """The network alone on ONNX Runtime, with as many threads and with all its optimisations."""
    import onnxruntime as runtime

    from cores import usable_cores

    options = runtime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.add_free_dimension_override_by_name("height", 512)
    options.add_free_dimension_override_by_name("width", 512)
    file = next(Path(model_dir).glob("*.onnx"))
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    image = canvas()[None]
    return lambda: session.run(None, {session.get_inputs()[0].name: image})


def matmul() -> Thing:
    """The product of two float32 matrices, the fastest that NumPy's BLAS makes of this machine."""
    one, other = (np.random.default_rng(seed).random((MATRIX, MATRIX), np.float32) for seed in (1, 2))
    return lambda: one @ other


thing = {make.__name__: make for make in (hooks, openvino, onnxruntime, matmul)}[kind]()
for _ in range(5):
    thing()
for line in sys.stdin:
    taken = []
    for _ in range(int(line)):
        start = time.perf_counter()
        thing()
        taken.append((time.perf_counter() - start) * 1000)
    sys.stdout.write(json.dumps(taken) + "\n")
    sys.stdout.flush()
