"""Concurrent requests as one batch: while the model computes, those that wait become the next one."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from groundwave.errors import GroundwaveError

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class OverloadedError(GroundwaveError):
    """More is asked than can be answered in time."""

    def __init__(self) -> None:
        super().__init__("more requests than can be answered in time", "fewer at a time", "ask again in a moment")


class TooSlowError(GroundwaveError):
    """A request that was not answered within its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            got=f"a request that the model could not answer within {seconds:g} s",
            expected="one that it can",
            do="ask again in a moment, about fewer records",
        )


@dataclass
class _Waiting(Generic[Request, Answer]):
    request: Request
    size: int
    answer: "asyncio.Future[Answer]"


class Batcher(Generic[Request, Answer]):
    """Answers requests in batches, in a thread of its own; what nobody waits for any more is left out.

    Args:
        compute: answers a batch, one by one in order; an answer that is an exception is raised where it was asked.
        most_at_once: records in a batch, where one request has no more by itself.
        most_waiting: records that may wait; what comes then is refused with `OverloadedError`.
        seconds: after which a request is given up with `TooSlowError`.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
        most_at_once: int = 64,
        most_waiting: int = 256,
        seconds: float = 10.0,
    ) -> None:
        self.compute, self.most_at_once, self.most_waiting, self.seconds = compute, most_at_once, most_waiting, seconds
        self.waiting = 0  # records in the queue and at work, also those that were given up there
        self._queue: asyncio.Queue[_Waiting[Request, Answer]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End; who still waits is told that it takes too long."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def full(self) -> bool:
        """Whether the next request would be refused."""
        return self.waiting >= self.most_waiting

    async def ask(self, request: Request, size: int = 1) -> Answer:
        """Return the answer to a request of `size` records; raises `OverloadedError`, `TooSlowError`, or its own."""
        if self.waiting and self.waiting + size > self.most_waiting:
            raise OverloadedError
        asked = _Waiting[Request, Answer](request, size, asyncio.get_running_loop().create_future())
        self.waiting += size
        try:
            self._queue.put_nowait(asked)
            async with asyncio.timeout(self.seconds):
                return await asked.answer
        except TimeoutError:
            raise TooSlowError(self.seconds) from None
        finally:
            del asked.request  # what was given up stays in the queue, and counted, but not its records

    async def _work(self) -> None:
        while True:
            batch = [await self._queue.get()]
            size = batch[0].size
            while not self._queue.empty() and size < self.most_at_once:
                batch.append(self._queue.get_nowait())
                size += batch[-1].size
            if wanted := [one for one in batch if not one.answer.done()]:
                await self._answer(wanted)
            self.waiting -= size

    async def _answer(self, batch: Sequence[_Waiting[Request, Answer]]) -> None:
        requests = [one.request for one in batch]
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, self.compute, requests)
        except Exception as error:  # whatever it is, each of them waits for an answer
            answers = [error] * len(batch)
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)
