"""uvicorn as this gateway runs it: one process or several workers, and what signals mean."""

import errno
import math
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from api.errors import InvalidSetting
from api.settings import Settings
from api.web.http_protocol import HttpProtocol

STARTING = 30  # seconds that a worker may take to start when all are restarted
KEEP_ALIVE = 75  # seconds; longer than a load balancer's 60, which would else send on connections that are just closing
LINGER = 3  # seconds beyond upload and deadline that a stop waits for connections to end


class HangUp:
    """What SIGHUP means: load the model directories again; from a terminal that is gone, the end."""

    def __init__(self, reload: Callable[[], None]) -> None:
        self.reload = reload
        self._terminal = os.isatty(0)

    @property
    def is_the_end(self) -> bool:
        """Whether there was a terminal, and is none any more."""
        return self._terminal and not os.isatty(0)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.is_the_end:
            signal.raise_signal(signal.SIGTERM)
        else:
            self.reload()


class Workers(Multiprocess):
    """uvicorn's supervisor; SIGHUP reloads the models too."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], hang_up: HangUp) -> None:
        super().__init__(config, sockets)
        self._hang_up = hang_up

    def handle_hup(self) -> None:
        """Then restart the workers one after the other, each given time to start beside others at full load."""
        if self._hang_up.is_the_end:
            return self.handle_term()
        self._hang_up.reload()
        usual, self.config.timeout_worker_healthcheck = self.config.timeout_worker_healthcheck, STARTING
        super().handle_hup()
        self.config.timeout_worker_healthcheck = usual
        return None


def configured(app: FastAPI | str, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves this application or, for several workers, what the named factory makes."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        root_path=settings.root_path,
        http=HttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # create_app trusts the proxies that the settings name, and no others
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(settings.upload_seconds + settings.deadline_seconds) + LINGER,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; its connections send without Nagle's delay. Raises InvalidSetting."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()  # `::` means IPv4's addresses, too
        listening = socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise InvalidSetting(_why_not(error, host, port)) from error
    listening.set_inheritable(True)  # to workers
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _why_not(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} is in use: stop what listens there, or choose another with --port (0: any free one)."
        case errno.EACCES:
            return f"Port {port} needs the rights of an administrator: choose one from 1024 on with --port."
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: choose one with --host, such as 127.0.0.1 or 0.0.0.0."
    return f"Nothing can listen on {host}, port {port}: {error.strerror or error}."


def run(config: uvicorn.Config, listening: socket.socket, hang_up: HangUp) -> None:
    """Serve until SIGINT or SIGTERM."""
    try:
        if config.workers > 1:
            Workers(config, [listening], hang_up).run()
        else:
            signal.signal(signal.SIGHUP, hang_up)
            uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has stopped in good order and passes the signal on
    finally:
        listening.close()
