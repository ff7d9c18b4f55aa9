"""A thread that waits for the loop runs what comes of it, so that few threads serve any number of requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from erlen.doors.pool import ThreadPool


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    """A pool of one thread."""
    pool = ThreadPool(1)
    yield pool
    pool.close()


async def limited(work: asyncio.Future[object]) -> object:
    async with asyncio.timeout(10):
        return await work


def test_what_the_loop_sends_back_runs_in_the_thread_that_waits(pool: ThreadPool) -> None:
    async def back() -> int:
        return await pool.call(threading.get_ident)

    def outer() -> tuple[int, int]:
        return threading.get_ident(), pool.wait(back())

    async def main() -> None:
        async with asyncio.timeout(10):
            here, there = await pool.call(outer)
        assert here == there

    asyncio.run(main())


def test_waiting_nests_to_any_depth_and_passes_errors_on(pool: ThreadPool) -> None:
    def down(depth: int) -> int:
        if depth == 0:
            raise ZeroDivisionError

        async def back() -> int:
            return await pool.call(down, depth - 1)

        return pool.wait(back())

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await limited(pool.call(down, 20))

    asyncio.run(main())


def test_a_task_that_outlives_the_wait_gets_a_thread_of_the_pool(pool: ThreadPool) -> None:
    tasks: list[asyncio.Task[str]] = []

    async def later() -> str:
        await asyncio.sleep(0.02)
        return await pool.call(str.upper, "late")

    async def leave_behind() -> None:
        tasks.append(asyncio.create_task(later()))

    def outer() -> None:
        pool.wait(leave_behind())

    async def main() -> None:
        await limited(pool.call(outer))
        async with asyncio.timeout(10):
            assert await tasks[0] == "LATE"

    asyncio.run(main())


def test_a_thread_that_is_not_of_the_pool_can_wait_for_a_loop_too(pool: ThreadPool) -> None:
    answers: list[int] = []

    async def back() -> int:
        return await pool.call(threading.get_ident)

    async def main() -> None:
        thread = threading.Thread(target=lambda: answers.append(pool.wait(back(), loop)))
        loop = asyncio.get_running_loop()
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(answers) == 1
        assert answers != [threading.get_ident()]

    asyncio.run(main())


def test_waiting_on_the_loops_own_thread_is_refused(pool: ThreadPool) -> None:
    async def back() -> None: ...

    async def main() -> None:
        with pytest.raises(RuntimeError, match="would block the event loop"):
            pool.wait(back(), asyncio.get_running_loop())

    asyncio.run(main())
