"""Decoder processes: no image occupies one for longer than it may, and one that was killed is replaced."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from api.errors import UndecodableImage
from api.image import decoders
from api.image.decoders import Decoders, Decoding
from api.image.fit import FITS
from api.image.inspection import EncodedImage, inspect
from tests.api.processes import children
from tests.example_images import encoded, jpeg, scene
from tests.waiting import wait_for

SPINS = [sys.executable, "-c", "while True: pass"]
SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
DIES = [sys.executable, "-c", "import os; os.kill(os.getpid(), 11)"]
BROKEN = [sys.executable, "-c", "raise ImportError('no decoder')"]


def image(data: bytes = b"") -> EncodedImage:
    return inspect(data or jpeg(), ("jpeg", "png"), 10**8, 10**5)


@asynccontextmanager
async def pool(max_seconds: float = 10) -> AsyncIterator[Decoders]:
    made = Decoders(max_seconds)
    try:
        yield made
    finally:
        await made.close()


async def canvas(pool: Decoders, upload: EncodedImage, memory: int = 10**9) -> bytes:
    fit = asdict(FITS["stretch"](upload.width, upload.height, 64))
    seconds = upload.seconds(64)
    options = {"fits": [fit], "size": 64, "encoding": "png"}
    [drawn] = await results(pool.decoding("canvases", upload, seconds, memory=memory, **options))
    return drawn


async def results(decoding: Decoding) -> list[bytes]:
    with decoding:
        return await decoding.results()


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_one_process_decodes_one_image_after_the_other() -> None:
    async def scenario() -> None:
        async with pool() as made:
            before = set(children())
            assert (await canvas(made, image()))[:4] == b"\x89PNG"
            started = set(children()) - before
            assert await canvas(made, image()) == await canvas(made, image())
            assert set(children()) - before == started
            assert len(started) == 1
        wait_for(lambda: not set(children()) & started)

    run(scenario)


def test_a_decoder_that_spins_is_killed_at_its_limit_and_its_slot_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async with pool(max_seconds=0.3) as made:
            with monkeypatch.context() as patched:
                patched.setattr(decoders, "PROGRAM", SPINS)
                with pytest.raises(UndecodableImage, match=r"exceeded the limit of 0\.3 s"):
                    await canvas(made, image())
            assert await canvas(made, image())

    run(scenario)


def test_a_decoder_that_crashes_costs_its_image_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with pool() as made:
            with monkeypatch.context() as patched:
                patched.setattr(decoders, "PROGRAM", DIES)
                with pytest.raises(UndecodableImage, match="crashed the decoder"):
                    await canvas(made, image())
            assert await canvas(made, image())

    run(scenario)


def test_a_decoder_that_cannot_be_started_is_no_fault_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with pool() as made:
            monkeypatch.setattr(decoders, "PROGRAM", BROKEN)
            with pytest.raises(RuntimeError, match="could not be started"):
                await canvas(made, image())

    run(scenario)


def test_an_image_that_takes_more_memory_than_one_of_its_size_may_is_refused_and_the_process_goes_on() -> None:
    async def scenario() -> None:
        large = image(encoded(scene(6000, 5000), "PNG", compress_level=1))
        async with pool() as made:
            await canvas(made, image())
            before = children()
            with pytest.raises(UndecodableImage, match="memory"):
                await canvas(made, large, memory=-60_000_000)
            assert await canvas(made, large)
            assert children() == before

    run(scenario)


def test_a_fault_of_ours_in_a_decoder_is_raised_with_its_traceback_and_ends_no_process() -> None:
    async def scenario() -> None:
        async with pool() as made:
            await canvas(made, image())
            before = children()
            with pytest.raises(RuntimeError, match="KeyError: 'juggle'"):
                await results(made.decoding("juggle", image(), 1.0, memory=10**9))
            await canvas(made, image())
            assert children() == before

    run(scenario)


def test_work_whose_caller_is_gone_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with pool() as made:
            monkeypatch.setattr(decoders, "PROGRAM", SLEEPS)
            before = set(children())
            task = asyncio.create_task(canvas(made, image()))
            await asyncio.sleep(0.3)
            assert len(set(children()) - before) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not set(children()) - before

    run(scenario)


def test_who_is_gone_the_moment_the_turn_comes_leaves_no_decoder_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with pool() as made:
            monkeypatch.setattr(decoders, "PROGRAM", SLEEPS)
            before, told = set(children()), list[str]()
            await made.start(1)
            with made.decoding("canvases", image(), 1.0, memory=10**9) as decoding:
                decoding.begin(lambda: told.append("its slot is free"))
            assert not set(children()) - before
            await asyncio.sleep(0.05)
            assert told == ["its slot is free"]

    run(scenario)


def test_a_decoder_ends_with_the_gateway_however_that_ended(tmp_path: Path) -> None:
    program = tmp_path / "gateway.py"
    program.write_text(
        "import asyncio, os\n"
        "from api.image.decoders import _Decoder\n"
        "async def main():\n"
        "    decoder = await _Decoder.start()\n"
        "    print(decoder._process.pid, flush=True)\n"
        "    os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    import subprocess

    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    pid = int(ended.stdout)
    ends = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
