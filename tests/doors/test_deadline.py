from __future__ import annotations

import asyncio

import pytest

from erlen.doors.deadline import Deadlines
from erlen.errors import RequestTimeout


def test_what_is_in_time_is_returned() -> None:
    async def main() -> str:
        return await Deadlines().limit(asyncio.sleep(0.01, "in time"), 30)

    assert asyncio.run(main()) == "in time"


def test_what_is_late_is_cancelled_and_the_task_goes_on() -> None:
    cancelled: list[bool] = []

    async def stall() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def main() -> int:
        deadlines = Deadlines()
        with pytest.raises(RequestTimeout):
            await deadlines.limit(stall(), 0.1)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert asyncio.run(main()) == 0
    assert cancelled == [True]


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def main() -> None:
        task = asyncio.ensure_future(Deadlines().limit(asyncio.sleep(30), 30))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_many_are_watched_with_one_timer() -> None:
    async def main() -> list[object]:
        deadlines = Deadlines()
        waits = [deadlines.limit(asyncio.sleep(30 if late else 0, late), 0.1) for late in (True, False, True)]
        return await asyncio.gather(*waits, return_exceptions=True)

    results = asyncio.run(main())
    assert [type(result) for result in results] == [RequestTimeout, bool, RequestTimeout]


def test_they_serve_one_loop_after_another() -> None:
    deadlines = Deadlines()

    async def main() -> None:
        with pytest.raises(RequestTimeout):
            await deadlines.limit(asyncio.sleep(30), 0.01)

    asyncio.run(main())
    asyncio.run(main())
