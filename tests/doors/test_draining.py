from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from erlen.doors.draining import Draining


def test_tasks_are_woken() -> None:
    draining = Draining()

    async def main() -> None:
        waiting = [asyncio.ensure_future(draining.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        threading.Thread(target=draining.start).start()
        await asyncio.wait_for(asyncio.gather(*waiting), 2)
        await asyncio.wait_for(draining.wait(), 2)

    asyncio.run(main())
    assert draining.started


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    draining = Draining()

    async def main() -> None:
        task = asyncio.ensure_future(draining.wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    draining.start()  # its loop is closed
    draining.start()


def test_a_signal_starts_it_before_the_server_hears() -> None:
    draining = Draining()
    heard: list[bool] = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(draining.started))
    try:
        draining.watch_signals()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [True]


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=Draining().watch_signals)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
