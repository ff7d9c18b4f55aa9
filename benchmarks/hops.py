"""How many trips to a thread and back an event loop makes in a second: Erlen's pool against the standard library's ways.

    python benchmarks/hops.py [seconds per round] [rounds]

Keeps 64 trips in flight, as a loaded server does; interleaved rounds, medians, ratios to `run_in_executor`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from erlen.doors.pool import ThreadPool

IN_FLIGHT = 64
THREADS = 16


def work(number: int) -> int:
    return number + 1


async def coroutine_work(number: int) -> int:
    return number + 1


async def trips(hop: Callable[[], Awaitable[int]], seconds: float) -> float:
    done = 0
    end = time.perf_counter() + seconds

    async def keep_going() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await hop()
            done += 1

    await asyncio.gather(*(keep_going() for _ in range(IN_FLIGHT)))
    return done / seconds


async def main(seconds: float, rounds: int) -> None:
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(THREADS)
    loop.set_default_executor(executor)
    pool = ThreadPool(THREADS)
    ways: dict[str, Callable[[], Awaitable[int]]] = {
        "run_in_executor": lambda: loop.run_in_executor(executor, work, 1),
        "asyncio.to_thread": lambda: asyncio.to_thread(work, 1),
        "ThreadPool.call": lambda: pool.call(work, 1),
        "ThreadPool.run": lambda: pool.run(coroutine_work, 1),
    }
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, hop in ways.items():
            figures[name].append(await trips(hop, seconds))
    base = statistics.median(figures["run_in_executor"])
    print(f"{'':20} {'trips/s':>9} {'ratio':>6}   ({type(loop).__module__})")
    for name, values in figures.items():
        median = statistics.median(values)
        print(f"{name:20} {median:9,.0f} {median / base:6.2f}")


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    asyncio.run(main(seconds, rounds))
    try:
        import uvloop
    except ImportError:
        pass
    else:
        uvloop.run(main(seconds, rounds))
