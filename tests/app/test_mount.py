"""Other applications under a path, through each door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import flask
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from erlen import App, Blueprint, ConfigurationError, Request, Response, url_for
from erlen.testing import Client

MakeClient = Callable[..., Client]


def flask_app() -> flask.Flask:
    site = flask.Flask("legacy")

    @site.route("/hello/<name>", methods=["GET", "POST"])
    def hello(name: str) -> str:
        return f"{name} {flask.request.script_root} {flask.url_for('hello', name='x')} {flask.request.get_data(as_text=True)}"

    @site.route("/stream")
    def stream() -> flask.Response:
        return flask.Response((f"{number} " for number in range(3)), mimetype="text/plain")

    @site.route("/")
    def index() -> str:
        return "index"

    return site


def starlette_app(log: list[str]) -> Starlette:
    async def hello(request: StarletteRequest) -> PlainTextResponse:
        body = (await request.body()).decode()
        return PlainTextResponse(f"{request.path_params['name']} {request.scope['root_path']} {body} {request.state.shared}")

    async def stream(request: StarletteRequest) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for number in range(3):
                yield f"{number} "

        return StreamingResponse(parts(), media_type="text/plain")

    async def fail(request: StarletteRequest) -> PlainTextResponse:
        raise ZeroDivisionError("inside")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        log.append("starlette starts")
        yield {"shared": "state"}
        log.append("starlette stops")

    routes = [Route("/hello/{name}", hello, methods=["GET", "POST"]), Route("/stream", stream), Route("/fail", fail)]
    return Starlette(routes=routes, lifespan=lifespan)


def erlen_app(log: list[str]) -> App:
    inner = App()

    @inner.lifespan
    def life() -> Iterator[None]:
        log.append("erlen starts")
        yield
        log.append("erlen stops")

    @inner.route("/hello/{name}", methods=["GET", "POST"])
    async def hello(name: str, request: Request) -> str:
        return f"{name} {url_for('hello', name='x')} {(await request.body()).decode()}"

    return inner


def test_a_wsgi_application_is_served_under_its_prefix(client_for: MakeClient) -> None:
    app = App()
    app.mount("/legacy", flask_app())
    app.get("/legacy/own", name="own")(lambda: "ours")
    client = client_for(app)
    assert client.get("/legacy/hello/ann").text == "ann /legacy /legacy/hello/x "
    assert client.post("/legacy/hello/ann", content=b"body").text == "ann /legacy /legacy/hello/x body"
    assert client.get("/legacy/stream").text == "0 1 2 "
    assert client.get("/legacy/").text == "index"
    assert client.get("/legacy/own").text == "ours"
    missing = client.get("/legacy/nowhere")
    assert (missing.status, missing.media_type) == (404, "text/html")
    assert client.get("/legacyhello").status == 404


def test_an_asgi_application_is_served_under_its_prefix_with_its_lifespan_and_state(client_for: MakeClient) -> None:
    log: list[str] = []
    app = App()
    app.mount("/star", starlette_app(log))
    client = client_for(app)
    assert client.get("/star/hello/ann").text == "ann /star  state"
    assert client.post("/star/hello/ann", content=b"body").text == "ann /star body state"
    assert client.get("/star/stream").text == "0 1 2 "
    assert client.get("/star/nowhere").text == "Not Found"
    client.close()
    assert log == ["starlette starts", "starlette stops"]


def test_erlen_in_erlen(client_for: MakeClient) -> None:
    log: list[str] = []
    app = App()
    app.mount("/inner", erlen_app(log))
    app.on_startup(lambda: log.append("outer starts"))
    client = client_for(app)
    assert client.get("/inner/hello/ann").text == "ann /inner/hello/x "
    assert client.post("/inner/hello/ann", content=b"body").text == "ann /inner/hello/x body"
    assert client.get("/inner/nowhere").json()["status"] == 404
    client.close()
    assert log == ["erlen starts", "outer starts", "erlen stops"]


def test_an_exception_of_a_mounted_application_is_answered_by_the_error_handlers_around_it(client_for: MakeClient) -> None:
    app, part = App(), Blueprint("part", prefix="/part")
    part.mount("/star", starlette_app([]))

    @part.error_handler(ZeroDivisionError)
    def zero(request: Request, error: ZeroDivisionError) -> tuple[str, int]:
        return f"answered: {error}", 418

    @part.middleware
    async def mark(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-seen"] = str(response.status)
        return response

    app.include(part)
    client = client_for(app, raise_errors=False)
    assert client.get("/part/star/hello/a").headers["x-seen"] == "200"
    answer = client.get("/part/star/fail")
    assert answer.status in (418, 500)  # Starlette answers 500 before it raises


def test_a_mount_can_belong_to_a_host_or_be_everything(client_for: MakeClient) -> None:
    app, part = App(), Blueprint("part", host="old.example.com")
    part.mount("/", flask_app(), name="old")
    app.get("/")(lambda: "new")
    app.include(part)
    client = client_for(app, allowed_hosts=("old.example.com",))
    assert client.get("/").text == "new"
    assert client.get("http://old.example.com/").text == "index"
    assert client.get("http://old.example.com/hello/b").text == "b  /hello/x "


def test_two_mounts_at_one_place_are_a_mistake() -> None:
    app = App()
    app.mount("/x", flask_app(), name="one")
    app.mount("/x", flask_app(), name="two")
    with pytest.raises(ConfigurationError, match="answered twice: by one"):
        app.freeze()


def test_csrf_is_the_mounted_applications_own_affair(client_for: MakeClient) -> None:
    app = App()
    app.mount("/legacy", flask_app())
    answer = client_for(app).post("/legacy/hello/a", headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"})
    assert answer.status == 200
