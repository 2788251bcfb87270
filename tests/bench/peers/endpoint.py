"""A stand-in for SageMaker's runtime: takes signed requests, as many at once as come, and answers in a fixed time.

    python -m tests.bench.peers.endpoint

It prints its URL. The endpoint's name says the time: `5ms`, `300ms`.
"""

import asyncio
import json
import re
import sys

import uvloop

from tests.seed_endpoint import answer

BOX = (128.0, 64.0, 384.0, 448.0)
BODY = json.dumps(answer((0, 0.9, BOX))).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
MOST_BYTES = 4 * 1024 * 1024
MILLISECONDS = re.compile(rb"^POST /endpoints/(\d+)ms/invocations ")
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
SIGNED = re.compile(rb"\r\nauthorization: AWS4-HMAC-SHA256 ", re.IGNORECASE)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while True:
            writer.write(await respond(reader))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def respond(reader: asyncio.StreamReader) -> bytes:
    """The answer to the next request, when it is due."""
    head = await reader.readuntil(b"\r\n\r\n")
    length, path = LENGTH.search(head), MILLISECONDS.match(head)
    await reader.readexactly(int(length[1]) if length else 0)
    if path is None or SIGNED.search(head) is None:
        return FORBIDDEN
    await asyncio.sleep(int(path[1]) / 1000)
    return ANSWER


async def main() -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=MOST_BYTES)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
