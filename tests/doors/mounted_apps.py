"""Other people's applications, to be mounted: Flask, Starlette, and one of each interface by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import flask
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route


def flask_app() -> Any:
    app = flask.Flask("legacy")
    app.secret_key = "for tests"

    @app.get("/")
    def root() -> str:
        return flask.url_for("root")

    @app.get("/page/<name>")
    def page(name: str) -> flask.Response:
        response = flask.make_response(f"{name} {flask.request.query_string.decode()} {flask.request.cookies.get('c')}")
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.set_cookie("one", "1")
        response.set_cookie("two", "2")
        return response

    @app.post("/upload")
    def upload() -> str:
        return f"{flask.request.form['text']} {len(flask.request.files['file'].read())}"

    @app.get("/stream")
    def stream() -> flask.Response:
        def pieces() -> Iterator[str]:
            try:
                for number in range(3):
                    yield f"piece {number}\n"
            finally:
                print("flask stream closed", flush=True)

        response = flask.Response(pieces(), mimetype="text/plain")
        method = flask.request.method
        response.call_on_close(lambda: print(f"flask closed a {method}", flush=True))
        return response

    @app.get("/fail")
    def fail() -> str:
        raise ValueError("in flask")

    return app


def plain_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    # A generator, so that `start_response` is called late; and `write`, which few use and PEP 3333 has.
    path = environ["PATH_INFO"]
    if path == "/silent":
        return
    if path == "/fail":
        raise ValueError("before the response")
    body = environ["wsgi.input"].readline() + environ["wsgi.input"].read()
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-Bad", "a\r\nb"), ("Connection", "keep-alive")])
    write(b"written,")
    yield f"{environ['SCRIPT_NAME']}|{path}|{environ.get('HTTP_X_NAME')}|".encode("latin-1")
    yield body


def starlette_app() -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[dict[str, str]]:
        print("starlette started", flush=True)
        yield {"greeting": "from the lifespan"}
        print("starlette stopped", flush=True)

    async def root(request: Request) -> Response:
        response = JSONResponse(
            {
                "path": request.url.path,
                "root": request.scope["root_path"],
                "query": request.url.query,
                "state": request.state.greeting,
                "url": str(request.url_for("root")),
                "client": request.client.host if request.client else None,
            }
        )
        response.set_cookie("one", "1")
        response.set_cookie("two", "2")
        response.headers["x-frame-options"] = "SAMEORIGIN"
        return response

    async def echo(request: Request) -> Response:
        sizes = [len(chunk) async for chunk in request.stream()]
        return PlainTextResponse(f"{sum(sizes)}", background=BackgroundTask(print, "background is done", flush=True))

    async def stream(request: Request) -> Response:
        async def pieces() -> AsyncIterator[str]:
            for number in range(3):
                yield f"piece {number}\n"

        return StreamingResponse(pieces(), media_type="text/plain")

    async def endless(request: Request) -> Response:
        async def pieces() -> AsyncIterator[str]:
            try:
                while True:
                    yield "more\n"
                    await asyncio.sleep(0.02)
            finally:
                print(f"starlette {request.url.path.rpartition('/')[2]} closed", flush=True)

        return StreamingResponse(pieces(), media_type="text/plain")

    async def fail(request: Request) -> Response:
        raise ValueError("in starlette")

    async def away(request: Request) -> Response:
        return RedirectResponse("/elsewhere")

    routes = [Route("/echo", echo, methods=["POST"])]
    pages = {"": root, "away": away, "endless": endless, "endless-head": endless, "fail": fail, "stream": stream}
    routes += [Route("/" + name, page) for name, page in pages.items()]
    return Starlette(routes=routes, lifespan=lifespan)


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"].removeprefix(scope["root_path"])
    if path == "/silent":
        return
    if path == "/fail":
        raise ValueError("before the response")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"x-bad", b"a\r\nb")]})
    await send({"type": "http.response.body", "body": b"first,", "more_body": True})
    if path == "/break":
        raise ValueError("in the middle")
    await send({"type": "http.response.body", "body": b"second"})
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
    print("plain asgi heard the end", flush=True)
