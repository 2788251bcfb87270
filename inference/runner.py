"""The four hooks of a model directory, loaded as the container loads them and run in threads."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class NotReady(Exception):
    """The model is still loading."""


class QueueFull(Exception):
    """As many requests wait as may."""


class Model:
    """A model directory and its hooks; at most `threads` requests at work and `queue` waiting."""

    def __init__(self, model_dir: Path, threads: int, queue: int) -> None:
        self._dir = model_dir
        self._room = threads + queue
        self._inside = 0
        self._threads = ThreadPoolExecutor(threads)
        self._hooks: Any = None
        self._model: Any = None

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and warmed up."""
        return self._hooks is not None

    def start(self, on_failure: Callable[[], None]) -> Future[None]:
        """Load in a thread; call on_failure if that fails."""
        return self._threads.submit(self._load, on_failure)

    def _load(self, on_failure: Callable[[], None]) -> None:
        try:
            hooks = import_hooks(self._dir)
            self._model = hooks.model_fn(str(self._dir))
            self._hooks = hooks
            log.info("ready with the model in %s", self._dir)
        except Exception as exc:
            log.error("the model in %s cannot be served: %s", self._dir, exc, exc_info=log.isEnabledFor(logging.DEBUG))
            on_failure()
            raise

    async def answer(self, body: bytes, content_type: str | None, accept: str | None) -> tuple[bytes, str]:
        """Return the response body and its type. Raises NotReady, QueueFull and whatever the hooks raise."""
        if not self.ready:
            raise NotReady
        if self._inside >= self._room:
            raise QueueFull
        self._inside += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._transform, body, content_type, accept)
        work.add_done_callback(self._leave)
        return await asyncio.shield(work)  # a client that hangs up does not free the thread

    def _leave(self, work: asyncio.Future[tuple[bytes, str]]) -> None:
        self._inside -= 1
        if not work.cancelled():
            work.exception()  # looked at, so that nobody hears of an answer that nobody waits for

    def _transform(self, body: bytes, content_type: str | None, accept: str | None) -> tuple[bytes, str]:
        data = self._hooks.input_fn(body, content_type)
        prediction = self._hooks.predict_fn(data, self._model)
        answer = self._hooks.output_fn(prediction, accept)
        content, kind = answer if isinstance(answer, tuple) else (answer, accept or "application/json")
        return content.encode() if isinstance(content, str) else content, kind


def import_hooks(model_dir: Path) -> Any:
    """Import the hooks flat, from MODEL_DIR/code where the artifact brings them, else from beside this file."""
    program = os.environ.get("SAGEMAKER_PROGRAM", "inference.py")
    code = model_dir / "code"
    if (code / program).is_file():
        sys.path.insert(0, str(code))
    return importlib.import_module(program.removesuffix(".py"))
