from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from erlen import App, Blueprint, ConfigurationError, Cors, Request, Response, Setup, StreamResponse
from erlen.app.door import choose_door


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b""]


def reasons(app: App) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        choose_door(app.freeze(), "wsgi")
    return [mistake.message for mistake in caught.value.mistakes]


def test_rsgi_serves_what_does_not_stream() -> None:
    app = App()
    app.get("/")(lambda: "")
    choice = choose_door(app.freeze())
    assert choice.door == "rsgi"
    assert "nothing here streams" in choice.reason


def test_asgi_serves_what_streams_or_may() -> None:
    def words() -> Iterator[str]:
        yield "a"

    def response() -> StreamResponse:
        return StreamResponse([])

    for handler in (words, response):
        app = App()
        app.get("/", name="first")(handler)
        app.get("/2", name="second")(handler)
        choice = choose_door(app.freeze())
        assert (choice.door, choice.reason.partition(",")[0]) == ("asgi", "first streams and 1 more")
    mounted = App()
    mounted.mount("/legacy", wsgi_app)
    assert choose_door(mounted.freeze()).reason.startswith("legacy may stream,")


def test_a_wish_is_granted() -> None:
    app = App()
    app.get("/")(lambda: "")
    for door in ("asgi", "rsgi", "wsgi"):
        assert choose_door(app.freeze(), door).door == door


def test_wsgi_serves_a_site_that_is_all_def() -> None:
    app, part = App(), Blueprint("part")

    @app.middleware
    def middleware(request: Request, call_next: Any) -> Response:
        return call_next(request)  # type: ignore[no-any-return]

    app.add_middleware(Cors(["https://example.com"]))
    app.before_request(lambda request: None)
    app.redirect("/old", "/")
    app.mount("/legacy", wsgi_app)
    part.get("/quick", threaded=False)(lambda: "")
    app.include(part)
    assert choose_door(app.freeze(), "wsgi").door == "wsgi"


def test_wsgi_refuses_everything_that_needs_a_loop_with_its_line() -> None:
    class Battery:
        name = "battery"
        requires = ()

        def setup(self, setup: Setup) -> None:
            async def start() -> None: ...

            setup.on_startup(start)

    app, part = App(), Blueprint("part")

    @app.middleware
    async def middleware(request: Request, call_next: Any) -> Any: ...

    @part.before_request
    async def hook(request: Request) -> None: ...

    @part.error_handler(404)
    async def missing(request: Request, error: Exception) -> str:
        return ""

    async def own(request: Request, call_next: Any) -> Any: ...

    @app.lifespan
    async def life() -> AsyncIterator[None]:
        yield

    @app.get("/async")
    async def redirect() -> None: ...

    @app.get("/stream")
    def stream() -> Iterator[str]:
        yield ""

    @part.get("/own", middleware=[own])
    def plain() -> None: ...

    app.mount("/asgi", App())
    app.include(part)
    app.use(Battery())
    found = reasons(app)
    for name in (
        "serve redirect: it is `async def`",
        "stream: it streams",
        "asgi: it is an ASGI application",
        "middleware: it is `async def`",
        "hook: it is `async def`",
        ".missing: it is `async def`",
        "own: it is `async def`",
        "life: it is `async def`",
        "start: it is `async def`",
    ):
        assert any(name in message for message in found), (name, found)
    assert len(found) == 9
