"""A stand-in for SageMaker's runtime in front of the seed's module: real HTTP, scripted answers, every request kept."""

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Answer = tuple[int, dict[str, str], bytes]
Script = Callable[[dict[str, Any]], Answer]
ROWS = 100


def answer(*detections: tuple[int, float, tuple[float, float, float, float]], size: int = 512) -> dict[str, Any]:
    """Detections (class, score, box in tensor pixels) in the wire format: 100 rows, the unused ones −1."""
    padding = [(-1, -1.0, (-1.0, -1.0, -1.0, -1.0))] * (ROWS - len(detections))
    rows = [*detections, *padding]
    return {
        "shape": [1, 3, size, size],
        "cid": [[class_id] for class_id, _, _ in rows],
        "score": [[score] for _, score, _ in rows],
        "bbox": [list(box) for _, _, box in rows],
    }


def reply(body: dict[str, Any] | list[Any] | bytes, status: int = 200, **headers: str) -> Answer:
    """An HTTP answer; what is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, {"Content-Type": "application/json", **headers}, data


def aws_error(code: str, status: int, **members: Any) -> Answer:
    """An error as SageMaker's runtime words it (REST-JSON protocol)."""
    return reply({"Message": f"secret words of {code}", **members}, status, **{"x-amzn-ErrorType": code})


class Server(ThreadingHTTPServer):
    """One that many may connect to at once: by default the sixth waits a second."""

    daemon_threads = True
    request_queue_size = 128


class SeedEndpoint:
    """Answers each invocation with `script(request)`, that of the endpoint's name where it has one in `scripts`.

    A script may also take the socket and do what it likes.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.peers: list[object] = []
        self.script: Script = lambda _: reply(answer())
        self.scripts: dict[str, Script] = {}
        self.on_socket: Callable[[socket.socket], None] | None = None

    def __enter__(self) -> Self:
        self._server = Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # headers and body in one segment

            def do_GET(self) -> None:
                self._send(*reply(b""))

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(request)
                endpoint.headers.append(dict(self.headers))
                endpoint.peers.append(self.client_address)
                if endpoint.on_socket:
                    endpoint.on_socket(self.connection)
                    self.close_connection = True
                else:
                    name = self.path.split("/")[2]
                    self._send(*endpoint.scripts.get(name, endpoint.script)(request))

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
