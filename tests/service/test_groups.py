"""The worker without a database: what shares a group, what is refused, what survives."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from threading import Event
from typing import Any

import pytest

from service.ledger.groups import GroupWorker, Job, QueueFullError, into


class Writer:
    """Remembers its groups; answers each job with its rows; waits while `gate` is closed."""

    def __init__(self) -> None:
        self.groups: list[list[Any]] = []
        self.gate = Event()
        self.gate.set()
        self.started = Event()
        self.fail = False

    def __call__(self, group: Sequence[Job]) -> None:
        self.started.set()
        self.gate.wait()
        self.groups.append([(job.key, job.rows) for job in group])
        if self.fail:
            raise RuntimeError("the disk is on fire")
        for job in group:
            job.answer = job.rows


def run(test: Callable[[GroupWorker, Writer], Coroutine[Any, Any, None]], **limits: int) -> None:
    """Run a coroutine with a worker, then stop the worker."""

    async def main() -> None:
        writer = Writer()
        worker = GroupWorker(writer, **limits)
        worker.start(asyncio.get_running_loop())
        try:
            await test(worker, writer)
        finally:
            writer.gate.set()
            await worker.stop()

    asyncio.run(main())


def submit(worker: GroupWorker, key: object = "a", rows: int = 1) -> "asyncio.Future[Any]":
    future = asyncio.get_running_loop().create_future()
    worker.submit(Job(key, rows, into(future)))
    return future


async def hold(worker: GroupWorker, writer: Writer) -> "asyncio.Future[Any]":
    """Keep the worker busy with a first job until the gate opens."""
    writer.gate.clear()
    first = submit(worker, "first")
    await asyncio.to_thread(writer.started.wait)
    return first


def test_what_arrives_during_a_write_is_one_group() -> None:
    async def test(worker: GroupWorker, writer: Writer) -> None:
        first = await hold(worker, writer)
        rest = [submit(worker) for _ in range(5)]
        await asyncio.sleep(0)
        writer.gate.set()
        assert await asyncio.gather(first, *rest) == [1] * 6
        assert [len(group) for group in writer.groups] == [1, 5]

    run(test)


def test_a_group_never_mixes_keys_and_keeps_the_order() -> None:
    async def test(worker: GroupWorker, writer: Writer) -> None:
        first = await hold(worker, writer)
        rest = [submit(worker, key) for key in "aabba"]
        await asyncio.sleep(0)
        writer.gate.set()
        await asyncio.gather(first, *rest)
        keys = [[key for key, _ in group] for group in writer.groups]
        assert keys == [["first"], ["a", "a"], ["b", "b"], ["a"]]

    run(test)


def test_a_group_is_closed_at_its_row_limit() -> None:
    async def test(worker: GroupWorker, writer: Writer) -> None:
        first = await hold(worker, writer)
        rest = [submit(worker, rows=4) for _ in range(4)]
        await asyncio.sleep(0)
        writer.gate.set()
        await asyncio.gather(first, *rest)
        assert [len(group) for group in writer.groups] == [1, 2, 2]

    run(test, group_rows=8)


@pytest.mark.parametrize("limits", [{"queue_rows": 10}, {"queue_jobs": 2}], ids=str)
def test_too_much_waiting_is_refused_and_then_taken_again(limits: dict[str, int]) -> None:
    async def test(worker: GroupWorker, writer: Writer) -> None:
        first = await hold(worker, writer)
        second = submit(worker, rows=5)
        with pytest.raises(QueueFullError, match="try again"):
            submit(worker, rows=5)
        writer.gate.set()
        await asyncio.gather(first, second)
        assert await submit(worker, rows=5) == 5

    run(test, **limits)


def test_a_fault_reaches_its_group_and_the_worker_lives_on() -> None:
    async def test(worker: GroupWorker, writer: Writer) -> None:
        writer.fail = True
        with pytest.raises(RuntimeError, match="on fire"):
            await submit(worker)
        writer.fail = False
        assert await submit(worker) == 1
        assert worker.alive

    run(test)


def test_a_caller_that_went_away_harms_nobody() -> None:
    async def test(worker: GroupWorker, writer: Writer) -> None:
        first = await hold(worker, writer)
        gone, stays = submit(worker), submit(worker)
        gone.cancel()
        writer.gate.set()
        assert await first == await stays == 1

    run(test)


def test_stopping_writes_what_is_queued_and_refuses_more() -> None:
    async def test(worker: GroupWorker, writer: Writer) -> None:
        futures = [submit(worker, str(i)) for i in range(10)]
        await worker.stop()
        assert await asyncio.gather(*futures) == [1] * 10
        with pytest.raises(QueueFullError):
            submit(worker)

    run(test)
