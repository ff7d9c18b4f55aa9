"""Who runs, and what they are asked: contestants and scenarios."""

from __future__ import annotations

import sys
from typing import Literal, NamedTuple

from benchmarks.apps.table import ROWS

__all__ = ["BLOCKS", "CONTESTANTS", "SCENARIOS", "Contestant", "Scenario", "bare_twin"]

THREADS = 16  # of the WSGI servers on granian; Erlen's own default for database work
ROUTES = 300

Kind = Literal["bare", "erlen", "peer"]
Server = Literal["granian-rsgi", "granian-asgi", "granian-wsgi", "uvicorn", "gunicorn"]


class Contestant(NamedTuple):
    """An application on a server."""

    name: str
    title: str
    kind: Kind
    server: Server
    module: str
    hello: str | None = None
    middleware: str = ""

    def command(self, target: str, port: int) -> list[str]:
        """Return the command that serves `target` (`module:app`) with one worker, and no log, on the loopback's `port`."""
        address = ["--host", "127.0.0.1", "--port", str(port)]
        python = [sys.executable, "-m"]
        if self.server == "uvicorn":
            # The interface is named because one object may serve several, and uvicorn would otherwise guess from its signature.
            quiet = ["--log-level", "error", "--no-access-log"]
            return [*python, "uvicorn", *address, "--interface", "asgi3", "--loop", "uvloop", "--http", "httptools", *quiet, target]
        if self.server == "gunicorn":
            return [*python, "gunicorn", "--workers", "1", "--bind", f"127.0.0.1:{port}", "--log-level", "error", target]
        interface = self.server.removeprefix("granian-")
        threads = ["--blocking-threads", str(THREADS)] if interface == "wsgi" else []
        return [*python, "granian", *address, "--interface", interface, "--loop", "uvloop", "--log-level", "error", *threads, target]


class Scenario(NamedTuple):
    """One request, the answer that it must get, and requests that must be refused."""

    name: str
    title: str
    path: str
    text: str | None = None
    json: object = None
    cells: tuple[str, ...] = ()
    body: bytes = b""
    routes: int = 0
    refused: tuple[tuple[str, bytes], ...] = ()

    @property
    def method(self) -> str:
        """POST where there is a body."""
        return "POST" if self.body else "GET"


def _erlen(name: str, title: str, server: Server, stem: str = "erlen") -> Contestant:
    return Contestant(name, title, "erlen", server, f"{stem}_app", f"{stem}_hello")


def _peer(name: str, title: str, server: Server, stem: str, middleware: str = "") -> Contestant:
    return Contestant(name, title, "peer", server, f"{stem}_app", f"{stem}_hello", middleware)


CONTESTANTS: tuple[Contestant, ...] = (
    Contestant("bare_rsgi", "*bare RSGI / granian*", "bare", "granian-rsgi", "bare_rsgi", "bare_rsgi"),
    Contestant("bare_wsgi", "*bare WSGI / granian*", "bare", "granian-wsgi", "bare_wsgi"),
    Contestant("bare_asgi_granian", "*bare ASGI / granian*", "bare", "granian-asgi", "bare_asgi"),
    Contestant("bare_asgi_uvicorn", "*bare ASGI / uvicorn*", "bare", "uvicorn", "bare_asgi"),
    _erlen("erlen_rsgi", "**Erlen, RSGI door** / granian", "granian-rsgi"),
    _erlen("erlen_wsgi", "**Erlen, WSGI door, all `def`** / granian", "granian-wsgi", "erlen_def"),
    _erlen("erlen_asgi_granian", "**Erlen, ASGI door** / granian", "granian-asgi"),
    _erlen("erlen_asgi_uvicorn", "**Erlen, ASGI door** / uvicorn", "uvicorn"),
    _peer("blacksheep_granian", "BlackSheep / granian", "granian-asgi", "blacksheep"),
    _peer("blacksheep_uvicorn", "BlackSheep / uvicorn", "uvicorn", "blacksheep"),
    _peer("emmett55_granian", "Emmett55 / granian", "granian-rsgi", "emmett55"),
    _peer("starlette_granian", "Starlette / granian", "granian-asgi", "starlette"),
    _peer("starlette_uvicorn", "Starlette / uvicorn", "uvicorn", "starlette"),
    _peer("fastapi_uvicorn", "FastAPI / uvicorn", "uvicorn", "fastapi"),
    _peer("flask_granian", "Flask / granian", "granian-wsgi", "flask"),
    _peer("flask_gunicorn", "Flask / gunicorn", "gunicorn", "flask"),
    _peer("django_granian", "Django, no middleware / granian", "granian-wsgi", "django"),
    _peer("django_gunicorn", "Django, no middleware / gunicorn", "gunicorn", "django"),
    _peer("django_default_granian", "Django, default middleware / granian", "granian-wsgi", "django", "default"),
    _peer("django_default_gunicorn", "Django, default middleware / gunicorn", "gunicorn", "django", "default"),
)

_ITEM = {"id": 42, "q": "flask", "limit": 20}
_POSTED = b'{"name":"Erlenmeyer flask","price":12.5,"tags":["glass","lab"]}'
_INVALID = b'{"name":"","price":-1,"tags":["glass",7]}'
_GREETING = {"message": "Hello, World!"}
_CELLS = tuple(str(value) for row in ROWS for value in (row.id, row.name, row.price, row.note))

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("plaintext", "plaintext", "/plain", text="Hello, World!"),
    Scenario("json", "JSON", "/json", json=_GREETING),
    Scenario(
        "params",
        "path+query",
        "/items/42?q=flask&limit=20",
        json=_ITEM,
        refused=(("/items/42?q=flask&limit=many", b""), ("/items/42?limit=20", b""), ("/items/x?q=flask", b"")),
    ),
    Scenario(
        "routes300",
        "300 routes",
        f"/resource{ROUTES // 2 - 1}/42?q=flask&limit=20",
        json=_ITEM,
        routes=ROUTES,
        refused=((f"/resource{ROUTES // 2}/42?q=flask", b""),),
    ),
    Scenario(
        "post",
        "validated POST",
        "/items",
        json={"id": 1, "name": "Erlenmeyer flask", "price": 12.5, "tags": ["glass", "lab"]},
        body=_POSTED,
        refused=(("/items", _INVALID), ("/items", b"{")),
    ),
    Scenario("html", "HTML, 12 rows", "/table", cells=_CELLS),
    Scenario("sync", "sync `def`", "/sync", json=_GREETING),
)

# Scenarios that one target compares with each other are measured side by side in the same rounds.
BLOCKS: tuple[tuple[str, ...], ...] = (("plaintext",), ("json",), ("params", "routes300"), ("post",), ("html",), ("sync",))


def bare_twin(contestant: Contestant) -> Contestant | None:
    """Return the bare handler on the same server and interface."""
    return next((other for other in CONTESTANTS if other.kind == "bare" and other.server == contestant.server), None)
