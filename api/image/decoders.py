"""Decoder processes: each does one piece of work at a time, and is killed when that takes too long."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import psutil

from api.errors import UndecodableImage
from api.image.decoder_process import FRAME, failure, request
from api.image.inspection import EncodedImage

PROGRAM = [sys.executable, "-P", "-m", "api.image.decoder_process"]
HOME = str(Path(__file__).resolve().parents[2])
USUAL_SECONDS = 0.5  # of a core, that any image may take
GENEROSITY = 4  # times what images of its format and size take, that one may take beyond that
STARTING_SECONDS = 0.5  # of a core, that a process may take to start, beside its first image
Answer = tuple[dict[str, Any], memoryview]  # what a process says of its work, and the results one behind the other
GRACE = 0.1  # seconds in which work may end by itself whose caller is gone


class Decoders:
    """Starts as many processes as work is asked for at once; an idle one is used again. Raises what decoding raises."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._idle: list[_Decoder] = []
        self._busy: set[_Decoder] = set()

    async def start(self, count: int) -> None:
        """Have so many processes ready, so that nobody waits for them to start."""
        self._idle += [await _Decoder.start() for _ in range(count)]

    async def do(self, work: str, image: EncodedImage, expected_seconds: float, **options: Any) -> list[bytes]:
        """The results of a piece of work on an image. Raises ImageError.

        A limit of the image's processor time is enforced from here, of its memory by the kernel.
        """
        seconds = min(self._max_seconds, USUAL_SECONDS + GENEROSITY * expected_seconds)
        decoder = next(self._living(), None) or await _Decoder.start()
        self._busy.add(decoder)
        try:
            return await decoder.do(request(work, image, seconds=seconds, **options), seconds)
        finally:
            self._busy.discard(decoder)
            if decoder.usable:
                self._idle.append(decoder)

    def _living(self) -> "Iterator[_Decoder]":
        """The idle ones that nobody else has ended meanwhile."""
        while self._idle:
            if (decoder := self._idle.pop()).alive:
                yield decoder

    async def close(self) -> None:
        """Kill them all."""
        ended = [*self._idle, *self._busy]
        self._idle.clear()
        for decoder in ended:
            decoder.kill()
        await asyncio.gather(*(decoder.closed() for decoder in ended))


class _Decoder(asyncio.Protocol):
    """One process, and the socket to it.

    A protocol, not streams: an answer reaches who waits for it in one turn of the event loop, where a decoder that
    idles meanwhile costs throughput under load.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._received, self._answer = bytearray(), loop.create_future()
        self._disconnected: asyncio.Future[None] = loop.create_future()
        self._spent, self._allowance = 0.0, STARTING_SECONDS  # of a processor: by the last answer, and beside the limit
        self._watch: asyncio.TimerHandle | None = None
        self.usable, self._late = True, False

    @classmethod
    async def start(cls) -> "_Decoder":
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {**os.environ, "PYTHONPATH": HOME}
            process = subprocess.Popen(PROGRAM, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment)
        loop = asyncio.get_running_loop()
        _, decoder = await loop.create_unix_connection(lambda: cls(process), sock=ours)
        return decoder

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio has it
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < FRAME.size:
            return
        head_bytes, body_bytes, _ = FRAME.unpack_from(self._received)
        body_begins = FRAME.size + head_bytes
        if len(self._received) == body_begins + body_bytes:
            received, self._received = self._received, bytearray()
            self._tell((json.loads(received[FRAME.size : body_begins]), memoryview(received)[body_begins:]))

    def connection_lost(self, error: Exception | None) -> None:
        self._disconnected.set_result(None)
        self._tell(None)

    def _tell(self, answer: Answer | None) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._disconnected.done() and self._process.poll() is None

    async def do(self, frames: list[bytes], seconds: float) -> list[bytes]:
        """The answer to one request. Raises ImageError; the process is gone then, where it had to be killed."""
        self._watch_until(self._spent + self._allowance + seconds, seconds)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.writelines(frames)
        try:
            answer = await self._answer
        except asyncio.CancelledError:
            await self._finish_or_die()
            raise
        finally:
            if self._watch:
                self._watch.cancel()
        return self._result(answer, seconds)

    async def _finish_or_die(self) -> None:
        """Let work whose caller is gone end by itself, if it does so soon."""
        if self._answer.cancelled():
            self._answer = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._answer}, timeout=GRACE)
        if not self._answer.done():
            self.kill()

    def _result(self, answer: Answer | None, seconds: float) -> list[bytes]:
        if answer is None:
            self.kill()
            if self._late:
                raise UndecodableImage(f"Decoding the image exceeded the limit of {seconds:.1f} s.")
            if self._process.returncode > 0:
                raise RuntimeError("The decoder process could not be started; its words above say why.")
            raise UndecodableImage("Decoding the image crashed the decoder.")
        head, body = answer
        self._spent, self._allowance = head["seconds"], 0.0
        if "error" in head:
            raise failure(head)
        ends = list(accumulate(head["sizes"]))
        return [bytes(body[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def _watch_until(self, limit: float, left: float) -> None:
        """Look after so many seconds whether the process has taken more of a processor than this, and kill it then."""
        self._watch = asyncio.get_running_loop().call_later(max(left, 0.02), self._look, limit)

    def _look(self, limit: float) -> None:
        left = limit - self._seconds()
        if left > 0:
            self._watch_until(limit, left)
        else:
            self._late = True
            self.kill()

    def _seconds(self) -> float:
        """Of a processor, that the process has taken so far."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
            return float(times.user + times.system)
        except psutil.Error:
            return float("inf")

    async def closed(self) -> None:
        """Return when its connection is closed."""
        await self._disconnected

    def kill(self) -> None:
        """End it at once."""
        self.usable = False
        self._transport.abort()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
