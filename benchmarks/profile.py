"""Why a row is what it is: one Erlen scenario, in this process, without a server.

`python benchmarks/profile.py --scenario json --door rsgi` counts every Python call of one request, tells how deep the handler is called,
times the door beside the bare handler, and lists where cProfile finds the time.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
# This file's folder must not be on the path: its name would hide the standard library's profile from cProfile.
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if entry and Path(entry).resolve() != HERE)]

if TYPE_CHECKING:
    from benchmarks.contest import Scenario
    from benchmarks.stand_in import Call

TIMED = 20_000
CONCURRENT = 64


def main() -> None:
    """Read the options, prepare both doors, and print the profile."""
    from benchmarks.contest import SCENARIOS

    parser = argparse.ArgumentParser(description="Profile one Erlen scenario without a server.")
    parser.add_argument("--scenario", default="json", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--door", default="rsgi", choices=["rsgi", "asgi", "asgi_granian", "asgi_uvicorn", "wsgi"])
    parser.add_argument("--top", type=int, default=12, help="functions to list (12)")
    options = parser.parse_args()
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == options.scenario)
    door = options.door.partition("_")[0]
    python = HERE / ".venv" / "bin" / "python"
    if Path(sys.prefix).resolve() != (HERE / ".venv").resolve() and python.exists():
        os.execv(python, [str(python), __file__, *sys.argv[1:]])
    os.environ["BENCH_ROUTES"] = str(scenario.routes)
    # Counted in a process of its own: threads that were ever watched stay slow.
    child = os.fork()
    if child == 0:
        _run(_count(scenario, door), door)
        sys.stdout.flush()
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        _run(_time(scenario, door, options.top), door)


def _run(work: Coroutine[None, None, None], door: str) -> None:
    """Run to the end: on a loop, except for the WSGI door, which has none and never suspends."""
    if door != "wsgi":
        with asyncio.Runner() as runner:
            if door != "rsgi":
                runner.run(work)
                return
            from benchmarks.apps.erlen_app import app

            app.__rsgi_init__(runner.get_loop())  # as the server does: before the loop runs, and after
            runner.run(work)
            app.__rsgi_del__(runner.get_loop())
        return
    try:
        work.send(None)
    except StopIteration:
        return


async def _calls_of(scenario: Scenario, door: str) -> tuple[Call, Call]:
    """Return one request to Erlen and one to the bare handler, both warm."""
    import importlib

    from benchmarks import stand_in

    app = importlib.import_module(f"benchmarks.apps.{'erlen_def_app' if door == 'wsgi' else 'erlen_app'}").app
    bare = importlib.import_module(f"benchmarks.apps.bare_{door}").app
    put = {"rsgi": stand_in.rsgi, "asgi": stand_in.asgi, "wsgi": stand_in.wsgi}[door]
    calls = put(app.__rsgi__ if door == "rsgi" else app, scenario), put(bare, scenario)
    for call in calls:
        for _ in range(300):
            await call()
    return calls


def _many(call: Call) -> Call:
    """Return a call of 64 requests at once."""

    async def gather() -> None:
        await asyncio.gather(*(call() for _ in range(CONCURRENT)))

    return gather


async def _count(scenario: Scenario, door: str) -> None:
    """Print the Python functions that one request enters."""
    watch = _Watch()
    threading.setprofile(watch)
    erlen_call, bare_call = await _calls_of(scenario, door)
    await watch.see(bare_call)
    bare = len(watch.names)
    await watch.see(erlen_call)
    where = f"{watch.before} before the handler, {watch.depth} framework frames deep" if watch.before >= 0 else "handler not seen"
    print(f"Python calls in one request: {len(watch.names)} ({where}); bare {bare}\n")
    for name, times in Counter(watch.names).items():
        print(f"  {times} x {name}" if times > 1 else f"      {name}")


class _Watch:
    """A profile function that writes down every Python function entered while it sees a call, in any thread."""

    def __init__(self) -> None:
        self.seeing = False
        self.names: list[str] = []
        self.before = -1
        self.depth = -1

    async def see(self, call: Call) -> None:
        """Make the call and write it down."""
        self.names, self.before, self.depth = [], -1, -1
        sys.setprofile(self)
        self.seeing = True
        try:
            await call()
        finally:
            self.seeing = False
            sys.setprofile(None)

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        path = code.co_filename
        if not self.seeing or event != "call" or path.startswith(_DRIVERS) or "asyncio" in path:
            return
        if path.endswith(("erlen_app.py", "erlen_def_app.py")) and self.before < 0:
            self.before, self.depth = len(self.names), _depth(frame)
        self.names.append(f"{_short(path)}:{code.co_firstlineno} {code.co_qualname}")


async def _time(scenario: Scenario, door: str, top: int) -> None:
    erlen_call, bare_call = await _calls_of(scenario, door)
    if scenario.name != "sync" or door == "wsgi":
        await _print_times(erlen_call, bare_call, at_once=1)
        await _print_hot(erlen_call, top, at_once=1)
    else:  # one alone would only show how long a thread takes to wake
        await _print_times(_many(erlen_call), _many(bare_call), at_once=CONCURRENT)
        await _print_hot(_many(erlen_call), top, at_once=CONCURRENT)


def _depth(frame: FrameType) -> int:
    depth = 0
    outer = frame.f_back
    while outer is not None and not outer.f_code.co_filename.startswith(_DRIVERS):
        depth += "erlen" in outer.f_code.co_filename
        outer = outer.f_back
    return depth


async def _print_times(erlen_call: Call, bare_call: Call, *, at_once: int) -> None:
    """Time both in turn, five times: the best of each, since what disturbs only ever adds."""
    best = [float("inf"), float("inf")]
    turns = TIMED // 5 // at_once
    for _ in range(5):
        for place, call in enumerate((erlen_call, bare_call)):
            start = time.perf_counter()
            for _ in range(turns):
                await call()
            best[place] = min(best[place], (time.perf_counter() - start) / (turns * at_once) * 1e6)
    print(f"\nOne request without a server: {best[0]:.2f} µs, bare {best[1]:.2f} µs: the framework adds {best[0] - best[1]:.2f} µs")


async def _print_hot(call: Call, top: int, *, at_once: int) -> None:
    import cProfile
    import pstats

    from benchmarks.servers import without_folders

    profile = cProfile.Profile()
    profile.enable()
    for _ in range(TIMED // 4 // at_once):
        await call()
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(top)
    print("\ncProfile, by own time (its own cost inflates small functions):\n")
    for line in text.getvalue().splitlines():
        if line.strip() and not line.lstrip().startswith(("Ordered", "List")):
            print(without_folders(line).rstrip())


_DRIVERS = (__file__, str(HERE / "stand_in.py"))


def _short(path: str) -> str:
    return path.rpartition("/src/")[2] if "/src/" in path else path.rpartition("/lib/")[2] if "/lib/" in path else Path(path).name


if __name__ == "__main__":
    main()
