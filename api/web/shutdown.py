"""How it ends. SIGTERM: `/health/ready` says no at once, requests are taken for a moment more, then uvicorn stops."""

import asyncio
import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess
from types import FrameType

from fastapi import FastAPI


def stop_with_parent() -> None:
    """End this worker when its parent process has ended, for whatever reason."""
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_outlive, args=(parent,), name="parent", daemon=True).start()


def _outlive(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def stop_softly(app: FastAPI, drain_seconds: float) -> None:
    """Stand before uvicorn's own handler of SIGTERM; in the main thread of a running event loop only."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop, theirs = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if callable(theirs):
            delay = 0 if app.state.stopping else drain_seconds  # a second signal means at once
            loop.call_soon_threadsafe(loop.call_later, delay, theirs, number, frame)
        app.state.stopping = True

    signal.signal(signal.SIGTERM, on_signal)
