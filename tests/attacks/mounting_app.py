"""Applications of other frameworks inside one of ours."""

from __future__ import annotations

import flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from erlen import App, Settings


def tell_flask() -> dict[str, object]:
    request = flask.request
    return {"client": request.remote_addr, "cookies": request.cookies, "host": request.host, "root": request.root_path, "url": request.url}


async def tell_starlette(request: Request) -> JSONResponse:
    client = None if request.client is None else request.client.host
    root = request.scope["root_path"]
    return JSONResponse({"client": client, "cookies": request.cookies, "host": request.url.netloc, "root": root, "url": str(request.url)})


async def count(request: Request) -> JSONResponse:
    return JSONResponse(len(await request.body()))


legacy = flask.Flask("legacy")
legacy.add_url_rule("/tell", view_func=tell_flask)
legacy.add_url_rule("/count", "count", lambda: str(len(flask.request.get_data())), methods=["POST"])

app = App(Settings(allowed_hosts=("example.com",)))
app.mount("/flask", legacy)
app.mount("/starlette", Starlette(routes=[Route("/tell", tell_starlette), Route("/count", count, methods=["POST"])]))
