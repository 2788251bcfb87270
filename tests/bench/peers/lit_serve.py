"""LitServe: `python -m tests.bench.peers.lit_serve PORT`."""

import sys
from typing import Any

import anyio.to_thread
import litserve
from fastapi import Request

from tests.bench.peers.work import detect


class Detector(litserve.LitAPI):
    """Asynchronous, since it waits for an endpoint: its one worker would do one image at a time."""

    def setup(self, device: str) -> None:
        pass

    async def decode_request(self, request: Request) -> Any:
        return request["image"].file  # LitServe hands the form over

    async def predict(self, x: Any) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(detect, x)  # 40 threads, as FastAPI has

    async def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Detector(api_path="/detect", enable_async=True))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
