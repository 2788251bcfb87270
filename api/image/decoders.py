"""Decoder processes: each does one piece of work at a time, and is killed when that takes too long."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from api.errors import UndecodableImage
from api.image.decoder_process import FRAME, failure, request
from api.image.inspection import EncodedImage

PROGRAM = [sys.executable, "-P", "-m", "api.image.decoder_process"]
HOME = str(Path(__file__).resolve().parents[2])
READ_AHEAD = 1024 * 1024  # bytes of an answer
USUAL_SECONDS = 0.5  # of a core, that any image may take
GENEROSITY = 4  # times what images of its format and size take, that one may take beyond that
STARTING_SECONDS = 0.5  # of a core, that a process may take to start, beside its first image
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


class _Decoder:
    """One process, and the socket to it."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer
        self._spent, self._allowance = 0.0, STARTING_SECONDS  # of a processor: by the last answer, and beside the limit
        self._watch: asyncio.TimerHandle | None = None
        self.usable, self._late = True, False

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @classmethod
    async def start(cls) -> "_Decoder":
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {**os.environ, "PYTHONPATH": HOME}
            process = subprocess.Popen(PROGRAM, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment)
        return cls(process, *await asyncio.open_unix_connection(sock=ours, limit=READ_AHEAD))

    async def do(self, frames: list[bytes], seconds: float) -> list[bytes]:
        """The answer to one request. Raises ImageError; the process is gone then, where it had to be killed."""
        self._watch_until(self._spent + self._allowance + seconds, seconds)
        answering = asyncio.ensure_future(self._ask(frames))
        try:
            return await asyncio.shield(answering)
        except asyncio.CancelledError:
            await asyncio.wait({answering}, timeout=GRACE)
            if not answering.done():
                self.kill()
                answering.cancel()
            raise
        except UndecodableImage as error:
            if self._late:
                raise UndecodableImage(f"Decoding the image exceeded the limit of {seconds:.1f} s.") from error
            raise
        finally:
            if self._watch:
                self._watch.cancel()

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

    async def _ask(self, frames: list[bytes]) -> list[bytes]:
        try:
            self._writer.writelines(frames)
            await self._writer.drain()
            head_bytes, _, _ = FRAME.unpack(await self._reader.readexactly(FRAME.size))
            head = json.loads(await self._reader.readexactly(head_bytes))
            bodies = [await self._reader.readexactly(size) for size in head.get("sizes", ())]
        except (asyncio.IncompleteReadError, OSError) as error:
            self.kill()
            if self._process.returncode > 0:
                raise RuntimeError("The decoder process could not be started; its words above say why.") from error
            raise UndecodableImage("Decoding the image crashed the decoder.") from error
        self._spent, self._allowance = head["seconds"], 0.0
        if "error" in head:
            raise failure(head)
        return bodies

    def _seconds(self) -> float:
        """Of a processor, that the process has taken so far."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
            return float(times.user + times.system)
        except psutil.Error:
            return float("inf")

    async def closed(self) -> None:
        """Return when its connection is closed."""
        with suppress(OSError):
            await self._writer.wait_closed()

    def kill(self) -> None:
        """End it at once."""
        self.usable = False
        self._writer.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
