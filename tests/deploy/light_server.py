"""The container contract without a detector: starts in a blink, for tests that are about everything around it.

What it does is written in the artifact's model.json: "crash" ends it with that text, "answer" changes what it answers,
"answers" is how many requests it answers before it fails.
"""

import argparse
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

parser = argparse.ArgumentParser()
parser.add_argument("--model-dir", type=Path, required=True)
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--stop-with-parent", action="store_true")
options = parser.parse_args()
manifest = options.model_dir / "model.json"
about: dict[str, Any] = json.loads(manifest.read_text()) if manifest.exists() else {}
answered = 0
if "crash" in about:
    sys.exit(about["crash"])


class Handler(BaseHTTPRequestHandler):
    """One box for every image."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self.reply(200, {})

    def do_POST(self) -> None:
        global answered
        answered += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if about.get("answer") == "error" or answered > about.get("answers", answered):
            return self.reply(500, "the model fell over")
        kind = self.headers["Content-Type"]
        if kind == "application/jsonlines":
            return self.reply(200, *(self.line(json.loads(line)) for line in body.split(b"\n")))
        if kind == "application/x-image":
            return self.reply(200, {"frame": "image", **self.answer({"short": 64})})
        return self.reply(200, self.answer(json.loads(body)))

    def line(self, request: Any) -> Any:
        if about.get("answer") == "problem":
            return {"status": 422, "title": "Unprocessable Entity", "detail": "the JPEG is truncated"}
        return self.answer(request)

    def answer(self, request: Any) -> Any:
        side = request["short"]
        score = about.get("score", 0.9)
        unused = 99 * [[-1.0]]
        box = [1.0, 2.0, side / 2, side / 2] if about.get("answer") != "outside" else [2.0 * side] * 4
        boxes = [box, *(99 * [4 * [-1.0]])]
        rows = {"cid": [[0.0], *unused], "score": [[score], *unused], "bbox": boxes}
        return {"shape": [1, 3, side, side], **rows}

    def reply(self, status: int, *contents: Any) -> None:
        body = "\n".join(map(json.dumps, contents)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def stop_with_parent() -> None:
    """Ends when the parent's end of the pipe does."""
    sys.stdin.read()
    os._exit(0)


if options.stop_with_parent:
    threading.Thread(target=stop_with_parent, daemon=True).start()
server = ThreadingHTTPServer((options.host, options.port), Handler)
sys.stdout.write(f"listening on http://{options.host}:{server.server_address[1]}\n")
sys.stdout.flush()
server.serve_forever()
