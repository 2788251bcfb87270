"""A model directory: its hooks and their model, loaded again when asked to, and run in threads."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from errors import ModelNotUsable
from inference.server.hooks import import_hooks
from manifest import read_model_json

log = logging.getLogger(__name__)

LOADING = ThreadPoolExecutor(1)  # one load after the other: each takes all cores and the memory of a model


class NotReady(Exception):
    """The model is still loading."""


class QueueFull(Exception):
    """As many requests wait as may."""


class CannotServe(Exception):
    """The last load of the model directory failed, and there is no earlier one."""


class Loaded(NamedTuple):
    """What a model directory gave: its hooks, their model, what `model.json` says, and a name for its files."""

    hooks: Any
    model: Any
    description: dict[str, Any]
    revision: str


class Prediction(NamedTuple):
    """What the hooks answer to a request, its type, and the revision that gave it."""

    content: bytes
    media_type: str
    revision: str


class Model:
    """A model directory and its hooks; at most `threads` requests at work and `queue` waiting."""

    def __init__(self, model_dir: Path, threads: int, queue: int) -> None:
        self._dir = model_dir
        self._room = threads + queue
        self._inside = 0
        self._threads = ThreadPoolExecutor(threads)
        self._failed = False
        self.loaded: Loaded | None = None

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and warmed up."""
        return self.loaded is not None

    def load(self) -> Future[None]:
        """Load what the directory holds now, in a thread; until then, and if that fails, what was loaded serves on."""
        return LOADING.submit(self._load)

    def _load(self) -> None:
        started = time.perf_counter()
        try:
            revision, description = revision_of(self._dir), read_description(self._dir)
            hooks = import_hooks(self._dir)
            self.loaded = Loaded(hooks, hooks.model_fn(str(self._dir)), description, revision)
            self._failed = False
            log.info(
                "The model is ready.", extra={"fields": {"model_dir": self._dir, "ms": milliseconds_since(started)}}
            )
        except Exception as exc:
            self._failed = True
            log.error(
                "The model cannot be served: %s%s",
                exc,
                ". The previous model stays in use." if self.ready else "",
                extra={"fields": {"model_dir": self._dir}},
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
            raise
        finally:
            gc.collect()  # the hooks before, and their model, are a ring of references

    async def predict(self, body: bytes, content_type: str | None, accept: str | None) -> Prediction:
        """Return the response. Raises NotReady, CannotServe, QueueFull and whatever the hooks raise."""
        if not self.ready:
            raise CannotServe if self._failed else NotReady
        if self._inside >= self._room:
            raise QueueFull
        self._inside += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._transform, body, content_type, accept)
        work.add_done_callback(self._leave)
        return await asyncio.shield(work)  # a client that hangs up does not free the thread

    def _leave(self, work: asyncio.Future[Prediction]) -> None:
        self._inside -= 1
        if not work.cancelled():
            work.exception()  # read, or asyncio would log an error that no client waits for any more

    def _transform(self, body: bytes, content_type: str | None, accept: str | None) -> Prediction:
        loaded = self.loaded
        assert loaded, "nothing unloads a model"
        data = loaded.hooks.input_fn(body, content_type)
        output = loaded.hooks.output_fn(loaded.hooks.predict_fn(data, loaded.model), accept)
        content, kind = output if isinstance(output, tuple) else (output, accept or "application/json")
        return Prediction(content.encode() if isinstance(content, str) else content, kind, loaded.revision)


def milliseconds_since(started: float) -> float:
    """Return how long ago `time.perf_counter()` said this."""
    return round((time.perf_counter() - started) * 1000, 1)


def read_description(model_dir: Path) -> dict[str, Any]:
    """Return what `model.json` says; what is wrong with it the hooks say better."""
    try:
        return read_model_json(str(model_dir))
    except ModelNotUsable:
        return {}


def revision_of(model_dir: Path) -> str:
    """Return a name for the files that lie there now; every worker gives them the same."""
    files = (file for file in sorted(model_dir.rglob("*")) if file.is_file() and file.suffix != ".pyc")
    stats = [(str(file), file.stat()) for file in files]
    told = [(name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
