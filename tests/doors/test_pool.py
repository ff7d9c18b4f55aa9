from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from erlen.doors.pool import BackgroundLoop, ThreadPool

number: ContextVar[int] = ContextVar("number")


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    made = ThreadPool(4)
    yield made
    made.close()


def test_a_coroutine_is_driven_in_a_thread(pool: ThreadPool) -> None:
    async def where(argument: str) -> tuple[str, str]:
        return argument, threading.current_thread().name

    async def main() -> tuple[str, str]:
        return await pool.run(where, "given")

    assert asyncio.run(main()) == ("given", "erlen-1")


def test_many_results_come_back_each_to_its_own_caller(pool: ThreadPool) -> None:
    async def double(value: int) -> int:
        return 2 * value

    async def main() -> list[int]:
        return await asyncio.gather(*(pool.run(double, value) for value in range(500)))

    assert asyncio.run(main()) == [2 * value for value in range(500)]


def test_the_context_of_the_caller_is_seen_and_not_changed(pool: ThreadPool) -> None:
    async def change(_: None) -> int:
        before = number.get()
        number.set(before + 1)
        return before

    async def caller(value: int) -> tuple[int, int]:
        number.set(value)
        return await pool.run(change, None), number.get()

    async def main() -> list[tuple[int, int]]:
        return await asyncio.gather(*(caller(value) for value in range(50)))

    assert asyncio.run(main()) == [(value, value) for value in range(50)]


def test_an_exception_keeps_its_traceback(pool: ThreadPool) -> None:
    def fail_deep_down() -> None:
        raise ValueError("deep")

    async def main() -> None:
        await pool.call(fail_deep_down)

    with pytest.raises(ValueError, match="deep") as caught:
        asyncio.run(main())
    assert "fail_deep_down" in "".join(traceback.format_tb(caught.value.__traceback__))


def test_a_stop_iteration_does_not_hang_the_caller(pool: ThreadPool) -> None:
    def stop() -> None:
        raise StopIteration

    async def main() -> None:
        await asyncio.wait_for(pool.call(stop), 2)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(main())


def test_a_coroutine_that_suspends_is_an_error_that_says_so(pool: ThreadPool) -> None:
    async def suspend(_: None) -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        await pool.run(suspend, None)

    with pytest.raises(RuntimeError, match="make the handler `async def`"):
        asyncio.run(main())


def test_cancelling_the_caller_leaves_the_pool_working(pool: ThreadPool) -> None:
    begun, released = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        released.wait(30)

    async def main() -> int:
        task = asyncio.ensure_future(pool.call(block))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.set()
        return await asyncio.wait_for(pool.call(int, "7"), 2)

    assert asyncio.run(main()) == 7


def test_blocked_threads_do_not_hold_up_others_while_there_is_room(pool: ThreadPool) -> None:
    released = threading.Event()

    async def main() -> int:
        blocked = [pool.call(released.wait, 5) for _ in range(3)]
        value = await asyncio.wait_for(pool.call(int, "1"), 2)
        released.set()
        await asyncio.gather(*blocked)
        return value

    assert asyncio.run(main()) == 1


def test_there_are_never_more_threads_than_said(pool: ThreadPool) -> None:
    seen: set[str] = set()
    together = threading.Barrier(4)

    def note() -> None:
        seen.add(threading.current_thread().name)
        together.wait(30)

    async def main() -> None:
        await asyncio.gather(*(pool.call(note) for _ in range(60)))

    asyncio.run(main())
    assert len(seen) == 4


def test_a_pool_serves_one_loop_after_another_and_two_at_once(pool: ThreadPool) -> None:
    async def main(value: int) -> list[int]:
        return [await pool.call(int, str(value)) for _ in range(50)]

    assert asyncio.run(main(1)) == [1] * 50
    other: list[int] = []
    thread = threading.Thread(target=lambda: other.extend(asyncio.run(main(2))))
    thread.start()
    assert asyncio.run(main(3)) == [3] * 50
    thread.join()
    assert other == [2] * 50


def test_a_loop_that_is_closed_while_a_thread_works_does_not_end_the_thread() -> None:
    pool = ThreadPool(1)
    begun, released = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        released.wait(30)

    async def leave() -> None:
        task = asyncio.ensure_future(pool.call(block))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()

    async def main() -> int:
        return await asyncio.wait_for(pool.call(int, "3"), 2)

    asyncio.run(leave())
    released.set()
    assert asyncio.run(main()) == 3
    pool.close()


def test_a_closed_pool_says_so() -> None:
    pool = ThreadPool(1)

    async def main() -> None:
        await pool.call(int)
        pool.close()
        await pool.call(int)

    with pytest.raises(RuntimeError, match="has shut down"):
        asyncio.run(main())


def test_a_pool_has_a_thread() -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        ThreadPool(0)


def test_items_are_taken_one_by_one_in_one_context(pool: ThreadPool) -> None:
    def count() -> Iterator[int]:
        for _ in range(3):
            number.set(number.get() + 1)
            yield number.get()

    async def main() -> tuple[list[int], int]:
        number.set(10)
        return [item async for item in pool.iterate(count())], number.get()

    assert asyncio.run(main()) == ([11, 12, 13], 10)


def test_closing_closes_the_generator_in_a_thread(pool: ThreadPool) -> None:
    closed: list[str] = []

    def count() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(threading.current_thread().name)

    async def main() -> None:
        items = pool.iterate(count())
        assert await anext(items) == 1
        await items.aclose()  # type: ignore[attr-defined]
        assert [item async for item in items] == []

    asyncio.run(main())
    assert [name.startswith("erlen-") for name in closed] == [True]


def test_closing_while_an_item_is_made_closes_after_it(pool: ThreadPool) -> None:
    begun, closed = threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        try:
            begun.set()
            time.sleep(0.1)
            yield 1
        finally:
            closed.set()

    async def main() -> None:
        items = pool.iterate(slow())
        step = asyncio.ensure_future(anext(items))
        await asyncio.to_thread(begun.wait, 30)
        step.cancel()
        await items.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert closed.wait(30)


def test_closing_once_is_enough_when_an_abandoned_step_comes_after_it() -> None:
    free = threading.Event()

    class Items:
        closed = 0
        asked = 0

        def __iter__(self) -> Iterator[int]:
            return self

        def __next__(self) -> int:
            self.asked += 1
            return 1

        def close(self) -> None:
            self.closed += 1

    given = Items()

    async def main() -> None:
        pool = ThreadPool(1)
        items = pool.iterate(given)
        busy = pool.call(free.wait, 5)
        step = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        step.cancel()
        closing = asyncio.ensure_future(items.aclose())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(busy, closing)
        pool.close()

    asyncio.run(main())
    assert (given.asked, given.closed) == (0, 1)


def test_an_item_cannot_be_asked_for_while_another_is_made(pool: ThreadPool) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        begun.set()
        go_on.wait(30)
        yield 1

    async def main() -> None:
        items = pool.iterate(slow())
        step = asyncio.ensure_future(anext(items))
        await asyncio.to_thread(begun.wait, 30)
        with pytest.raises(RuntimeError, match="still being made"):
            await anext(items)
        go_on.set()
        assert await step == 1

    asyncio.run(main())


def test_an_error_of_an_iterable_arrives(pool: ThreadPool) -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    async def main() -> list[int]:
        return [item async for item in pool.iterate(fail())]

    with pytest.raises(KeyError, match="broken"):
        asyncio.run(main())


def test_a_thread_can_wait_for_the_loop(pool: ThreadPool) -> None:
    async def on_loop() -> tuple[str, int]:
        await asyncio.sleep(0.01)
        return threading.current_thread().name, number.get()

    def work() -> tuple[str, int]:
        return pool.wait(on_loop())

    async def main() -> tuple[str, int]:
        number.set(5)
        return await pool.call(work)

    assert asyncio.run(main()) == (threading.main_thread().name, 5)


def test_waiting_on_the_loop_itself_is_refused(pool: ThreadPool) -> None:
    async def nothing() -> None:
        pass

    async def main() -> None:
        await pool.call(int)
        pool.wait(nothing())

    with pytest.raises(RuntimeError, match="await the coroutine itself"):
        asyncio.run(main())


def test_waiting_without_a_loop_is_refused(pool: ThreadPool) -> None:
    async def nothing() -> None:
        pass

    with pytest.raises(RuntimeError, match="no event loop"):
        pool.wait(nothing())


def test_a_background_loop_runs_coroutines_for_threads_and_can_be_started_again(pool: ThreadPool) -> None:
    background = BackgroundLoop()

    async def name() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    for _ in range(2):
        assert pool.wait(name(), background.loop) == "erlen-loop"
        background.close()
    background.close()
