"""What a decoder process runs: images in, canvases and drawings out, one after the other, within bounds.

Started as a program by `api/image/decoders.py`, which talks to it over a socket, watches its time and kills it. It
imports little, so that another takes its place in a moment.
"""

import json
import os
import resource
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields
from struct import Struct
from typing import Any

from api.errors import DetectError, ImageTooLarge, UndecodableImage
from api.image.allocation import keep_freed_memory
from api.image.decode import canvases
from api.image.draw import Mark, annotate
from api.image.fit import Fit
from api.image.inspection import EncodedImage

DESCRIBED = [field.name for field in fields(EncodedImage) if field.name not in ("data", "profile")]
FRAME = Struct("!III")  # bytes of the JSON head, and of two bodies
SPARE_BYTES = 96 * 1024 * 1024  # address space beside the pixels: the canvas, the drawing, what libraries map


def request(work: str, image: EncodedImage, **options: Any) -> list[bytes]:
    """One piece of work as the decoder process reads it."""
    described = {name: getattr(image, name) for name in DESCRIBED}
    head = {"work": work, "image": described, **options}
    return _frame(head, image.data, image.profile or b"")


def failure(head: Mapping[str, Any]) -> Exception:
    """The error that a decoder process tells of; a fault of ours is a RuntimeError with its traceback."""
    kinds = {kind.__name__: kind for kind in (ImageTooLarge, UndecodableImage)}
    return kinds.get(head["error"], RuntimeError)(head["detail"], **head["members"])


def _frame(head: Mapping[str, Any], body: bytes, more: bytes = b"") -> list[bytes]:
    text = json.dumps(head).encode()
    return [FRAME.pack(len(text), len(body), len(more)), text, body, more]


def _canvases(image: EncodedImage, head: Mapping[str, Any]) -> list[bytes]:
    return canvases(image, [Fit(**fit) for fit in head["fits"]], head["size"], head["encoding"])


def _annotate(image: EncodedImage, head: Mapping[str, Any]) -> list[bytes]:
    marks = [
        Mark(caption, class_id, (x_min, y_min, x_max, y_max))
        for caption, class_id, (x_min, y_min, x_max, y_max) in head["marks"]
    ]
    return [annotate(image, marks, head["encoding"])]


Work = Callable[[EncodedImage, Mapping[str, Any]], list[bytes]]
WORK: Mapping[str, Work] = {"canvases": _canvases, "annotate": _annotate}


def main() -> None:
    """Serve the socket that standard input is, until it ends."""
    keep_freed_memory()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff has much to say of a damaged file
    peer = socket.socket(fileno=os.dup(0))
    with peer.makefile("rb") as requests:
        while sizes := requests.read(FRAME.size):
            head_bytes, *bodies = FRAME.unpack(sizes)
            head = json.loads(requests.read(head_bytes))
            data, profile = (requests.read(size) for size in bodies)
            image = EncodedImage(**{**head["image"], "data": data, "profile": profile or None})
            peer.sendall(b"".join(_answer(image, head)))


def _answer(image: EncodedImage, head: Mapping[str, Any]) -> list[bytes]:
    _bound(head["memory"], head["seconds"])
    try:
        bodies = WORK[head["work"]](image, head)
        told: dict[str, Any] = {"sizes": [len(body) for body in bodies]}
    except DetectError as error:
        bodies, told = [], {"error": type(error).__name__, "detail": error.detail, "members": error.members}
    except MemoryError:
        detail = "Decoding needs more memory than allowed for an image of this size."
        bodies, told = [], {"error": "UndecodableImage", "detail": detail, "members": {}}
    except Exception:  # a fault of ours must not end the process: the next image is not to blame
        bodies, told = [], {"error": "bug", "detail": traceback.format_exc(), "members": {}}
    return _frame({**told, "seconds": time.process_time()}, b"".join(bodies))


def _bound(memory: int, seconds: float) -> None:
    """Have the kernel enforce the limits too, so that they hold when whoever watches us is gone."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 2, resource.RLIM_INFINITY))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + memory + SPARE_BYTES, resource.RLIM_INFINITY))


def _address_space() -> int:
    with open("/proc/self/statm") as sizes:
        return int(sizes.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
