"""Stand-ins for the servers' objects: a request through a door in this process, so that what is measured is the application alone."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.contest import Scenario

__all__ = ["Call", "asgi", "rsgi", "wsgi"]

Call = Callable[[], Awaitable[None]]


def rsgi(app: Callable[..., Awaitable[None]], scenario: Scenario) -> Call:
    """Return a call that puts a scenario's request to an RSGI application, and raises AssertionError unless it answers 200."""
    path, _, query = scenario.path.partition("?")
    method, headers = scenario.method, _HeaderMap(_headers(scenario))

    async def call() -> None:
        await app(_Scope(method, path, query, headers), _Proto(scenario.body))

    return call


def asgi(app: Callable[..., Awaitable[None]], scenario: Scenario) -> Call:
    """Return a call that puts a scenario's request to an ASGI application, and raises AssertionError unless it answers 200."""
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


def wsgi(app: Callable[..., Any], scenario: Scenario) -> Call:
    """Return a call that puts a scenario's request to a WSGI application, and raises AssertionError unless it answers 200."""
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
        "SERVER_SOFTWARE": "Granian",
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


def _headers(scenario: Scenario) -> dict[str, str]:
    headers = {"host": "127.0.0.1:8000"}
    return {**headers, "content-type": "application/json", "content-length": str(len(scenario.body))} if scenario.body else headers


class _Scope:
    """As granian's RSGI scope, but plain attributes."""

    def __init__(self, method: str, path: str, query: str, headers: _HeaderMap) -> None:
        self.proto = "http"
        self.rsgi_version = "1.6"
        self.http_version = "1.1"
        self.server = "127.0.0.1:8000"
        self.client = "127.0.0.1:50000"
        self.scheme = "http"
        self.method = method
        self.path = path
        self.query_string = query
        self.authority = None
        self.headers = headers


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
