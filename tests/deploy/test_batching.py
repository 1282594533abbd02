"""Batches of concurrent requests: each gets its own answer, and nobody waits without end."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Sequence

import pytest

from groundwave.deploy.batching import Batcher, OverloadedError, TooSlowError
from groundwave.errors import DataError


class Doubler:
    """Answers twice what is asked; holds the first batch until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = threading.Event()

    def __call__(self, requests: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(requests))
        self.may_go_on.wait(10)
        return [DataError("a minus", "plus", "turn it") if one < 0 else 2 * one for one in requests]


def answered(asked: list[int], **settings: float) -> tuple[list[object], Doubler]:
    doubler = Doubler()

    async def run() -> list[object]:
        batcher = Batcher(doubler, **settings)  # type: ignore[arg-type]
        batcher.start()
        first = asyncio.create_task(batcher.ask(asked[0]))
        await asyncio.sleep(0.05)  # the model is at work
        rest = [asyncio.create_task(batcher.ask(one)) for one in asked[1:]]
        await asyncio.sleep(0.05)
        doubler.may_go_on.set()
        found = await asyncio.gather(first, *rest, return_exceptions=True)
        await batcher.stop()
        assert batcher.waiting == 0
        return list(found)

    return asyncio.run(run()), doubler


def test_what_waits_while_the_model_computes_is_one_batch() -> None:
    found, doubler = answered([1, 2, 3, 4])
    assert found == [2, 4, 6, 8]
    assert doubler.batches == [[1], [2, 3, 4]]


def test_a_batch_has_an_end() -> None:
    found, doubler = answered([1, 2, 3, 4], most_at_once=2)
    assert found == [2, 4, 6, 8]
    assert doubler.batches == [[1], [2, 3], [4]]


def test_an_error_is_told_to_who_made_it() -> None:
    found, _ = answered([1, -2, 3])
    assert (found[0], found[2]) == (2, 6)
    assert isinstance(found[1], DataError)


def test_too_many_are_refused_at_once() -> None:
    found, _ = answered([1, 2, 3, 4], most_waiting=3)
    assert found[:3] == [2, 4, 6]
    assert isinstance(found[3], OverloadedError)


def test_who_waits_too_long_is_told_and_left_out() -> None:
    doubler = Doubler()

    async def run() -> None:
        batcher = Batcher(doubler, seconds=0.2)
        batcher.start()
        first = asyncio.create_task(batcher.ask(1))
        await asyncio.sleep(0.02)
        with pytest.raises(TooSlowError):
            await batcher.ask(2)
        doubler.may_go_on.set()
        with pytest.raises(TooSlowError):
            await first
        assert await batcher.ask(3) == 6
        await batcher.stop()

    asyncio.run(run())
    assert doubler.batches == [[1], [3]]


def test_a_model_that_breaks_is_told_to_all() -> None:
    def broken(requests: Sequence[int]) -> list[int | Exception]:
        raise RuntimeError("weights")

    async def run() -> None:
        batcher: Batcher[int, int] = Batcher(broken)
        batcher.start()
        for _ in range(2):
            with pytest.raises(RuntimeError, match="weights"):
                await batcher.ask(1)
        await batcher.stop()

    asyncio.run(run())


class Record:
    """What a request holds."""


def test_what_was_given_up_is_counted_until_it_leaves_the_queue_but_not_kept() -> None:
    may_go_on = threading.Event()

    def slow(requests: Sequence[Record]) -> list[int | Exception]:
        may_go_on.wait(10)
        return [1] * len(requests)

    async def run() -> None:
        batcher: Batcher[Record, int] = Batcher(slow, most_waiting=2, seconds=0.1)
        batcher.start()
        first = asyncio.create_task(batcher.ask(Record()))
        await asyncio.sleep(0.02)  # the model is at work
        record = Record()
        kept = weakref.ref(record)
        second = asyncio.create_task(batcher.ask(record))
        del record
        found = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(one) for one in found] == [TooSlowError] * 2
        del first, second, found
        await asyncio.sleep(0)  # the loop lets go of their answers
        gc.collect()  # errors hold frames that hold errors
        assert kept() is None
        assert batcher.waiting == 2
        with pytest.raises(OverloadedError):
            await batcher.ask(Record())
        may_go_on.set()
        await asyncio.sleep(0.05)
        assert batcher.waiting == 0
        assert await batcher.ask(Record()) == 1
        await batcher.stop()

    asyncio.run(run())
