"""Decoder processes: each does one piece of work at a time, and is killed when that takes too long."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

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
    """As many processes as work is begun at once; an idle one is used again."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._idle: list[_Decoder] = []
        self._busy: set[_Decoder] = set()

    async def start(self, count: int) -> None:
        """Have so many processes ready, so that nobody waits for them to start."""
        self._idle += [await _Decoder.start() for _ in range(count)]

    def decoding(self, work: str, image: EncodedImage, expected_seconds: float, **options: Any) -> "Decoding":
        """A piece of work on an image, not begun yet.

        A limit of the image's processor time is enforced from here, of its memory by the kernel.
        """
        seconds = min(self._max_seconds, USUAL_SECONDS + GENEROSITY * expected_seconds)
        return Decoding(self, request(work, image, seconds=seconds, **options), seconds)

    def take(self) -> "_Decoder | None":
        """One that is idle, and that nobody else has ended meanwhile."""
        while self._idle:
            if (decoder := self._idle.pop()).alive:
                self._busy.add(decoder)
                return decoder
        return None

    async def take_new(self) -> "_Decoder":
        """One more."""
        decoder = await _Decoder.start()
        self._busy.add(decoder)
        return decoder

    def give_back(self, decoder: "_Decoder") -> None:
        """Use it again, if it can be."""
        self._busy.discard(decoder)
        if decoder.usable:
            self._idle.append(decoder)

    async def close(self) -> None:
        """Kill them all."""
        ended = [*self._idle, *self._busy]
        self._idle.clear()
        for decoder in ended:
            decoder.kill()
        await asyncio.gather(*(decoder.closed() for decoder in ended))


class Decoding:
    """A piece of work on an image, for whichever decoder is idle when its turn comes. Ended with its context."""

    def __init__(self, decoders: Decoders, frames: list[bytes], seconds: float) -> None:
        self._decoders, self._frames, self._seconds = decoders, frames, seconds
        self._decoder: _Decoder | None = None
        self._answer = asyncio.get_running_loop().create_future()
        self._told: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._decoder and not self._answer.done():  # its caller was gone before asking for the results
            self._decoder.kill()

    def begin(self, told: Callable[[], None]) -> None:
        """Hand it to an idle decoder now; `told` is called the moment that it is answered, before anybody who waits."""
        self._told = told
        if decoder := self._decoders.take():
            self._hand_to(decoder)

    async def results(self) -> list[bytes]:
        """What a decoder makes of it; one more is started where none is idle. Raises ImageError."""
        if not self._decoder:
            self._hand_to(self._decoders.take() or await self._decoders.take_new())
        try:
            answer: Answer | None = await self._answer
        except asyncio.CancelledError:
            await self._finish_or_die()
            raise
        return self._read(answer)

    def _hand_to(self, decoder: "_Decoder") -> None:
        self._decoder = decoder
        decoder.send(self._frames, self._seconds, self._hear)

    def _hear(self, answer: Answer | None) -> None:
        assert self._decoder
        self._decoders.give_back(self._decoder)
        if not self._answer.done():
            self._answer.set_result(answer)
        told, self._told = self._told, None  # which knows us in turn
        if told:
            told()

    async def _finish_or_die(self) -> None:
        """Let work whose caller is gone end by itself, if it does so soon."""
        assert self._decoder
        if self._answer.cancelled():
            self._answer = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._answer}, timeout=GRACE)
        if not self._answer.done():
            self._decoder.kill()

    def _read(self, answer: Answer | None) -> list[bytes]:
        assert self._decoder
        if answer is None:
            raise self._decoder.death(self._seconds)
        head, body = answer
        if "error" in head:
            raise failure(head)
        ends = list(accumulate(head["sizes"]))
        return [bytes(body[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


class _Decoder(asyncio.Protocol):
    """One process, and the socket to it.

    A protocol, not streams: who is told of an answer hands it the next image in the same turn of the event loop. Under
    load a turn takes a third of the time that an image does, and nothing is decoded meanwhile.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._received = bytearray()
        self._told: Callable[[Answer | None], None] = lambda _: None
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
            head = json.loads(received[FRAME.size : body_begins])
            self._spent, self._allowance = head["seconds"], 0.0
            self._tell((head, memoryview(received)[body_begins:]))

    def connection_lost(self, error: Exception | None) -> None:
        self._disconnected.set_result(None)
        self.kill()
        self._tell(None)

    def _tell(self, answer: Answer | None) -> None:
        if self._watch:
            self._watch.cancel()
        told, self._told = self._told, lambda _: None
        told(answer)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._disconnected.done() and self._process.poll() is None

    def send(self, frames: list[bytes], seconds: float, told: Callable[[Answer | None], None]) -> None:
        """Send a request; `told` is called with the answer, or with nothing where the process is gone."""
        self._told = told
        self._watch_until(self._spent + self._allowance + seconds, seconds)
        self._transport.writelines(frames)

    def death(self, seconds: float) -> Exception:
        """Why it is gone, that had so many seconds."""
        if self._late:
            return UndecodableImage(f"Decoding the image exceeded the limit of {seconds:.1f} s.")
        if self._process.returncode > 0:
            return RuntimeError("The decoder process could not be started; its words above say why.")
        return UndecodableImage("Decoding the image crashed the decoder.")

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
