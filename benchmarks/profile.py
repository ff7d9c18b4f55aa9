"""Why a row is what it is: one Erlen scenario, in this process, without a server.

`python benchmarks/profile.py --scenario json --door rsgi` counts every Python call of one request, tells how deep the handler is called,
times the door beside the bare handler, and lists where cProfile finds the time. The door is driven by stand-ins for the server's objects,
so that what is measured is the framework alone.
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
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# This file's folder must not be on the path: its name would hide the standard library's profile from cProfile.
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if entry and Path(entry).resolve() != HERE)]

if TYPE_CHECKING:
    from benchmarks.contest import Scenario

    Call = Callable[[], Awaitable[None]]

TIMED = 20_000


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
    asyncio.run(_profile(scenario, door, options.top))


async def _profile(scenario: Scenario, door: str, top: int) -> None:
    import importlib

    from benchmarks.apps.erlen_app import app

    bare = importlib.import_module(f"benchmarks.apps.bare_{door}").app
    stand_in = {"rsgi": _rsgi, "asgi": _asgi, "wsgi": _wsgi}[door]
    if door == "rsgi" and hasattr(app, "__rsgi_init__"):
        # The server calls this before its loop runs, so a running loop is nothing that it may count on.
        await asyncio.to_thread(app.__rsgi_init__, asyncio.get_running_loop())
    entry = app.__rsgi__ if door == "rsgi" else app
    erlen_call, bare_call = stand_in(entry, scenario), stand_in(bare, scenario)
    for call in (erlen_call, bare_call):
        for _ in range(300):
            await call()
    await _print_calls(erlen_call, bare_call)
    await _print_times(erlen_call, bare_call)
    await _print_hot(erlen_call, top)


async def _print_calls(erlen_call: Call, bare_call: Call) -> None:
    names, handler_before, depth = await _calls(erlen_call)
    bare_names, _, _ = await _calls(bare_call)
    before = f"{handler_before} before the handler, {depth} framework frames deep" if handler_before >= 0 else "handler not seen"
    print(f"Python calls in one request: {len(names)} ({before}); bare {len(bare_names)}\n")
    for name, times in Counter(names).items():
        print(f"  {times} x {name}" if times > 1 else f"      {name}")


async def _calls(call: Call) -> tuple[list[str], int, int]:
    """Return the Python functions entered by one request, how many before the handler, and the frames between it and this file."""
    names: list[str] = []
    seen = [-1, -1]

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code.co_filename == __file__ or "asyncio" in code.co_filename:
            return
        if code.co_filename.endswith("erlen_app.py") and seen[0] < 0:
            seen[:] = [len(names), _depth(frame)]
        names.append(f"{_short(code.co_filename)}:{code.co_firstlineno} {code.co_qualname}")

    # Before Python 3.12 only threads that start from now on are watched: the pool's are there already.
    if sys.version_info >= (3, 12):
        threading.setprofile_all_threads(watch)
    sys.setprofile(watch)
    try:
        await call()
    finally:
        sys.setprofile(None)
        if sys.version_info >= (3, 12):
            threading.setprofile_all_threads(None)
    return names, seen[0], seen[1]


def _depth(frame: FrameType) -> int:
    depth = 0
    outer = frame.f_back
    while outer is not None and outer.f_code.co_filename != __file__:
        depth += "erlen" in outer.f_code.co_filename
        outer = outer.f_back
    return depth


async def _print_times(erlen_call: Call, bare_call: Call) -> None:
    """Time both in turn, five times: the best of each, since what disturbs only ever adds."""
    best = [float("inf"), float("inf")]
    for _ in range(5):
        for place, call in enumerate((erlen_call, bare_call)):
            start = time.perf_counter()
            for _ in range(TIMED // 5):
                await call()
            best[place] = min(best[place], (time.perf_counter() - start) / (TIMED // 5) * 1e6)
    print(f"\nOne request without a server: {best[0]:.2f} µs, bare {best[1]:.2f} µs: the framework adds {best[0] - best[1]:.2f} µs")


async def _print_hot(call: Call, top: int) -> None:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    profile.enable()
    for _ in range(TIMED // 4):
        await call()
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(top)
    print("\ncProfile, by own time (its own cost inflates small functions):\n")
    for line in text.getvalue().splitlines():
        if line.strip() and not line.lstrip().startswith(("Ordered", "List")):
            print(line.replace(f"{HERE.parent}/", "").rstrip())


class _Scope:
    """As granian's RSGI scope, but plain attributes."""

    def __init__(self, scenario: Scenario) -> None:
        path, _, query = scenario.path.partition("?")
        self.proto = "http"
        self.rsgi_version = "1.6"
        self.http_version = "1.1"
        self.server = "127.0.0.1:8000"
        self.client = "127.0.0.1:50000"
        self.scheme = "http"
        self.method = scenario.method
        self.path = path
        self.query_string = query
        self.authority = None
        self.headers = _HeaderMap(_headers(scenario))


class _HeaderMap(dict[str, str]):
    """As granian's header map, for headers that come once."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


class _Proto:
    """As granian's HTTP protocol, keeping nothing."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __call__(self) -> bytes:
        return self.body

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        raise AssertionError(f"an empty answer with status {status}")

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        if status != 200:
            raise AssertionError(f"status {status}: {body!r}")

    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        self.response_bytes(status, headers, body.encode())

    async def client_disconnect(self) -> None:
        await asyncio.sleep(3600)


def _headers(scenario: Scenario) -> dict[str, str]:
    headers = {"host": "127.0.0.1:8000"}
    return {**headers, "content-type": "application/json", "content-length": str(len(scenario.body))} if scenario.body else headers


def _rsgi(app: Callable[..., Awaitable[None]], scenario: Scenario) -> Call:
    async def call() -> None:
        await app(_Scope(scenario), _Proto(scenario.body))

    return call


def _asgi(app: Callable[..., Awaitable[None]], scenario: Scenario) -> Call:
    path, _, query = scenario.path.partition("?")
    shared = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": scenario.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in _headers(scenario).items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": scenario.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise AssertionError(message)

    async def call() -> None:
        await app(dict(shared), receive, send)

    return call


def _wsgi(app: Callable[..., Any], scenario: Scenario) -> Call:
    path, _, query = scenario.path.partition("?")
    shared = {
        "REQUEST_METHOD": scenario.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in _headers(scenario).items():
        key = name.upper().replace("-", "_")
        shared[key if key.startswith("CONTENT_") else f"HTTP_{key}"] = value

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        if not status.startswith("200"):
            raise AssertionError(status)

    async def call() -> None:
        body = app({**shared, "wsgi.input": io.BytesIO(scenario.body)}, start_response)
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()

    return call


def _short(path: str) -> str:
    return path.rpartition("/src/")[2] if "/src/" in path else path.rpartition("/lib/")[2] if "/lib/" in path else Path(path).name


if __name__ == "__main__":
    main()
