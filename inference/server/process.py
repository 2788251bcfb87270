"""The process that serves: one alone, or several workers behind one socket under uvicorn's supervisor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from cores import usable_cores
from inference.server import logs
from inference.server.app import create_app
from inference.server.limits import Limits
from inference.server.model import Model

GRACE = 25  # seconds for what is in flight at SIGTERM; SageMaker kills after 30
HUNG = 15  # seconds without a sign of life, after which a worker is replaced; one that dies may cost as many


class Served(NamedTuple):
    """The model directories by name, how many requests may wait for each in a process, and the limits of a request."""

    model_dirs: dict[str, Path]
    queue: int
    limits: Limits


def serve(served: Served, listening: socket.socket) -> int:
    """Serve from this process: /ping answers 503 until the models are loaded. 1 where none can be served."""
    models = models_of(served)
    server = uvicorn.Server(configured(create_app(models, served.limits, alone=True)))
    load_at_sighup(models)
    loads = load_all(models)
    loads[-1].add_done_callback(lambda _: give_up(server) if all_failed(loads) else None)
    server.run(sockets=[listening])
    return 1 if all_failed(loads) else 0


def supervise(served: Served, listening: socket.socket, workers: int) -> int:
    """Keep so many workers serving until SIGTERM. 1 where one ends because it has no model to serve."""
    os.environ["DETECT_THREADS"] = os.environ.get("DETECT_THREADS") or str(max(1, usable_cores() // workers))
    app = partial(worker, served)
    config = configured(app, factory=True, workers=workers, timeout_worker_healthcheck=HUNG)
    supervisor = Supervisor(config, [listening])
    supervisor.run()
    return 1 if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes) else 0


class Supervisor(Multiprocess):
    """uvicorn's, but that SIGHUP has the workers load again instead of restarting them."""

    def handle_hup(self) -> None:
        """Pass it on; a worker that still starts dies of it, and is replaced by one that loads what there is now."""
        for process in self.processes:
            if process.pid and process.exitcode is None:
                os.kill(process.pid, signal.SIGHUP)


def worker(served: Served) -> Starlette:
    """Return a worker's application once its models are loaded: uvicorn accepts no connection before.

    A worker that still loads would refuse what those that have loaded would answer.
    """
    logs.configure()
    threading.Thread(target=stop_with_supervisor, daemon=True).start()
    models = models_of(served)
    load_at_sighup(models)
    loads = load_all(models)
    wait(loads)
    if all_failed(loads):
        sys.exit(STARTUP_FAILURE)
    return create_app(models, served.limits, alone=False)


def stop_with_supervisor() -> None:
    """Stop this worker when its supervisor is gone, even if that was killed."""
    if supervisor := multiprocessing.parent_process():
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)


def configured(app: Starlette | Callable[[], Starlette], **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration, which is the same alone and in a worker."""
    return uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE, **options
    )


def models_of(served: Served) -> dict[str, Model]:
    """Return the models by name, not yet loaded."""
    threads = served.limits.threads
    return {name: Model(folder, threads, served.queue) for name, folder in served.model_dirs.items()}


def load_at_sighup(models: dict[str, Model]) -> None:
    """Load every model again at SIGHUP, in a thread: the handler may have interrupted code that holds a lock."""
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=load_all, args=(models,)).start())


def load_all(models: dict[str, Model]) -> list[Future[None]]:
    """Start to load every model directory."""
    return [model.load() for model in models.values()]


def all_failed(loads: list[Future[None]]) -> bool:
    """Tell whether every load has ended, badly."""
    return all(load.done() and load.exception() for load in loads)


def give_up(server: uvicorn.Server) -> None:
    """Let the process end."""
    server.should_exit = True
