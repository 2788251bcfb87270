"""The queue: never idle, bounded, and fair to each caller by what their work costs."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.admission.queue import LONG, WorkQueue, check_wait
from api.errors import Overloaded

Scenario = Callable[[], Coroutine[Any, Any, None]]


def run(scenario: Scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


class Works:
    """Work in a queue that goes on until it is told to end; who was started, in order."""

    def __init__(self, queue: WorkQueue) -> None:
        self.queue, self.started = queue, list[str]()
        self.tasks = list[asyncio.Task[None]]()
        self._ends = dict[int, asyncio.Event]()

    async def add(self, caller: str, cost: float = 1.0, memory: int = 0) -> asyncio.Task[None]:
        """A new piece of work, given the time to be started if it may."""
        number = len(self.tasks)
        self._ends[number] = asyncio.Event()
        self.tasks.append(asyncio.create_task(self._work(number, caller, cost, memory)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.tasks[-1]

    async def _work(self, number: int, caller: str, cost: float, memory: int) -> None:
        async with self.queue.turn(caller, cost, memory):
            self.started.append(caller)
            await self._ends[number].wait()

    async def end(self) -> None:
        """End all of it, the work in hand first, in the order in which it was started."""
        for event in self._ends.values():
            event.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def test_a_caller_alone_has_every_slot() -> None:
    async def scenario() -> None:
        works = Works(WorkQueue(3))
        for _ in range(5):
            await works.add("a")
        assert works.started == ["a"] * 3
        await works.end()
        assert works.started == ["a"] * 5

    run(scenario)


def test_a_new_caller_goes_before_all_but_one_of_those_who_asked_for_much() -> None:
    async def scenario() -> None:
        works = Works(WorkQueue(1))
        for _ in range(20):
            await works.add("greedy")
        await works.add("polite")
        await works.end()
        assert works.started.index("polite") <= 2

    run(scenario)


def test_turns_are_by_cost_and_not_by_number() -> None:
    async def scenario() -> None:
        works = Works(WorkQueue(1))
        await works.add("first")
        for _ in range(3):
            await works.add("large", cost=4.0)
        for _ in range(12):
            await works.add("small", cost=1.0)
        await works.end()
        before_the_last_large = works.started[: len(works.started) - works.started[::-1].index("large") - 1]
        assert before_the_last_large.count("small") >= 8

    run(scenario)


def test_what_work_took_beyond_its_cost_its_own_caller_pays() -> None:
    async def scenario() -> None:
        queue = WorkQueue(1)
        for _ in range(2):
            async with queue.turn("bomber", 0.001):
                await asyncio.sleep(0.05)
        works = Works(queue)
        await works.add("busy", cost=0.001)
        for caller in ("bomber", "polite", "polite", "polite"):
            await works.add(caller, cost=0.001)
        await works.end()
        assert works.started[-1] == "bomber"

    run(scenario)


def test_while_work_takes_long_another_caller_gets_one_slot_more() -> None:
    async def scenario() -> None:
        works = Works(WorkQueue(2, spare_slot=True))
        for _ in range(4):
            await works.add("bomber")
        await works.add("polite")
        assert works.started == ["bomber"] * 2
        await asyncio.sleep(LONG * 1.2)
        assert works.started == ["bomber", "bomber", "polite"]
        await works.end()

    run(scenario)


def test_what_waits_for_memory_is_not_overtaken_for_ever_and_keeps_nobody_who_fits_beside_it() -> None:
    async def scenario() -> None:
        works = Works(WorkQueue(4, memory=100))
        await works.add("a", memory=60)
        await works.add("b", memory=90)
        await works.add("c", memory=30)  # fits now, but not beside what b waits for
        await works.add("d", memory=5)
        assert works.started == ["a", "d"]
        await works.end()
        assert works.started == ["a", "d", "b", "c"]

    run(scenario)


def test_beside_work_that_needs_more_memory_than_there_is_what_is_small_is_started_and_nothing_large() -> None:
    async def scenario() -> None:
        works = Works(WorkQueue(3, memory=100))
        await works.add("a", memory=500)
        await works.add("b", memory=500)
        await works.add("c", memory=5)
        assert works.started == ["a", "c"]
        await works.end()
        assert works.started == ["a", "c", "b"]

    run(scenario)


def test_one_piece_of_work_follows_the_other_without_a_turn_of_the_event_loop_between_them() -> None:
    async def scenario() -> None:
        queue, begun, end = WorkQueue(1), list[str](), list[Callable[[], None]]()

        async def work(name: str) -> None:
            def begin(give_back: Callable[[], None]) -> None:
                begun.append(name)
                end.append(give_back)

            async with queue.turn("a", 1, begin=begin):
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(work(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        assert begun == ["first"]
        end[0]()
        assert begun == ["first", "second"]
        await asyncio.gather(*tasks)
        assert begun == ["first", "second", "third"]
        assert queue.wait("a", 1) == 0

    run(scenario)


def test_who_leaves_the_queue_leaves_no_trace() -> None:
    async def scenario() -> None:
        waiting = list[int]()
        works = Works(WorkQueue(1, note=waiting.append))
        await works.add("a")
        gone = await works.add("b")
        await works.add("c")
        assert sum(waiting) == 2
        gone.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(waiting) == 1
        await works.end()
        assert works.started == ["a", "c"]
        assert works.queue.wait("a", 1) == 0

    run(scenario)


def test_the_wait_is_what_is_queued_before_by_the_pace_over_the_slots() -> None:
    async def scenario() -> None:
        works = Works(WorkQueue(2, pace=0.5))
        assert works.queue.wait("a", 1) == 0
        for _ in range(6):
            await works.add("a")
        assert works.queue.wait("a", 2) == pytest.approx((4 + 2) * 0.5 / 2)
        assert works.queue.wait("b", 2) < works.queue.wait("a", 2)
        await works.end()

    run(scenario)


def test_a_wait_that_is_too_long_names_its_queue_and_when_to_come_again() -> None:
    check_wait({"one": 1.0, "other": 1.0}, 2.0)
    with pytest.raises(Overloaded) as caught:
        check_wait({"one": 1.0, "other": 3.5}, 2.0)
    assert caught.value.members == {"limit": "other"}
    assert caught.value.headers == {"Retry-After": "3"}


Step = tuple[str, float, int]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.5, 1.0, 3.0]), st.integers(0, 120)), max_size=25),
    st.integers(1, 3),
)
def test_no_slot_is_idle_while_work_waits_that_fits_and_nothing_is_lost(steps: list[Step], slots: int) -> None:
    async def scenario() -> None:
        queue = WorkQueue(slots, memory=100)
        works, running = Works(queue), list[int]()
        memory = [0]

        async def work(caller: str, cost: float, size: int) -> None:
            async with queue.turn(caller, cost, size) as turn:
                running.append(turn.number)
                memory[0] += turn.memory
                assert len(running) <= slots
                assert memory[0] <= 100
                await asyncio.sleep(0)
                running.remove(turn.number)
                memory[0] -= turn.memory

        done: list[Awaitable[None]] = [work(*step) for step in steps]
        await asyncio.gather(*done)
        assert (running, memory, works.queue.wait("a", 1)) == ([], [0], 0)

    run(scenario)
