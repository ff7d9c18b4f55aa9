"""The way from a server to a handler: how many frames deep, and how many calls of Python functions (DESIGN, section 3).

The application is driven as each kind of server drives it, without one: the counts are exact and the same on every machine.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from io import BytesIO
from types import CodeType, FrameType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from erlen import App

FRAMES = 3
CALLS = 12


class Way(NamedTuple):
    """What lies between the server and the handler, outermost first."""

    frames: tuple[str, ...]
    calls: tuple[str, ...]


class Walk:
    """A profiler that notes every call of a Python function until the handler is entered, and then the frames it stands on."""

    def __init__(self, server: CodeType, handler: CodeType) -> None:
        self.server = server
        self.handler = handler
        self.calls: list[str] = []
        self.way: Way | None = None

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        if frame.f_code is self.handler:
            sys.setprofile(None)
            self.way = Way(tuple(reversed(list(self.frames_below(frame)))), tuple(self.calls))
        elif frame.f_code.co_filename != __file__:
            self.calls.append(frame.f_code.co_qualname)

    def frames_below(self, frame: FrameType) -> Iterator[str]:
        below = frame.f_back
        while below is not None and below.f_code is not self.server:
            yield below.f_code.co_qualname
            below = below.f_back


def application() -> tuple[App, dict[str, CodeType]]:
    """An application with a one-parameter handler of each colour."""
    app = App()

    @app.get("/loop/{number}")
    async def on_loop(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/thread/{number}")
    def in_thread(number: int) -> dict[str, int]:
        return {"number": number}

    app.freeze()
    return app, {"loop": on_loop.__code__, "thread": in_thread.__code__}


class RsgiHeaders(dict[str, str]):
    """Header fields as granian gives them (RSGI 1.6)."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


def rsgi(app: Any, path: str) -> Callable[[], Coroutine[Any, Any, int]]:
    scope = SimpleNamespace(
        proto="http",
        rsgi_version="1.6",
        http_version="1.1",
        server="127.0.0.1:8000",
        client="127.0.0.1:50000",
        scheme="http",
        method="GET",
        path=path,
        query_string="",
        authority=None,
        headers=RsgiHeaders({"host": "localhost:8000"}),
    )

    class Protocol:
        status = 0

        def response_bytes(self, status: int = 200, headers: object = None, body: bytes = b"") -> None:
            self.status = status

        response_str = response_empty = response_bytes

    async def serve() -> int:
        protocol = Protocol()
        await app.site.rsgi.__rsgi__(scope, protocol)
        return protocol.status

    return serve


def asgi(app: Any, path: str) -> Callable[[], Coroutine[Any, Any, int]]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost:8000")],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def serve() -> int:
        sent.clear()
        await app.site.asgi(scope, receive, send)
        return int(sent[0]["status"])

    return serve


def wsgi(app: Any, path: str) -> Callable[[], int]:
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }

    def serve() -> int:
        statuses: list[str] = []
        list(app.site.wsgi(dict(environ), lambda status, headers: statuses.append(status)))
        return int(statuses[0].split()[0])

    return serve


async def walk_on_loop(serve: Callable[[], Coroutine[Any, Any, int]], handler: CodeType) -> Way:
    assert await asyncio.create_task(serve()) == 200  # what is loaded or made at the first request does not count
    walk = Walk(serve.__code__, handler)
    sys.setprofile(walk)
    try:
        assert await serve() == 200
    finally:
        sys.setprofile(None)
    assert walk.way is not None
    return walk.way


def walk_in_thread(serve: Callable[[], int], handler: CodeType) -> Way:
    assert serve() == 200
    walk = Walk(serve.__code__, handler)
    sys.setprofile(walk)
    try:
        assert serve() == 200
    finally:
        sys.setprofile(None)
    assert walk.way is not None
    return walk.way


@pytest.mark.parametrize("door", [rsgi, asgi], ids=["rsgi", "asgi"])
def test_way_to_an_async_handler_is_short(door: Callable[[App, str], Callable[[], Coroutine[Any, Any, int]]]) -> None:
    app, handlers = application()
    way = asyncio.run(walk_on_loop(door(app, "/loop/7"), handlers["loop"]))
    assert 1 <= len(way.frames) <= FRAMES, way
    assert len(way.calls) <= CALLS, way


def test_way_to_a_handler_in_a_wsgi_server_is_short() -> None:
    app, handlers = application()
    way = walk_in_thread(wsgi(app, "/thread/7"), handlers["thread"])
    assert 1 <= len(way.frames) <= FRAMES, way
    assert len(way.calls) <= CALLS, way
