"""Starlette; bodies are validated by msgspec, since Starlette has no validator."""

from __future__ import annotations

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS, Item
from benchmarks.apps.table import ROWS, TEMPLATES

decode_item = msgspec.json.Decoder(Item).decode
templates = Jinja2Templates(TEMPLATES)


async def plain(request: Request) -> PlainTextResponse:
    """Answer with text."""
    return PlainTextResponse(MESSAGE)


async def hello(request: Request) -> JSONResponse:
    """Answer with JSON."""
    return JSONResponse({"message": MESSAGE})


async def read_item(request: Request) -> JSONResponse:
    """Answer with what the path and the query say."""
    query = request.query_params
    try:
        return JSONResponse({"id": request.path_params["id"], "q": query["q"], "limit": int(query.get("limit", "10"))})
    except (KeyError, ValueError):
        raise HTTPException(422) from None


async def create_item(request: Request) -> JSONResponse:
    """Answer with the validated body."""
    try:
        item = decode_item(await request.body())
    except msgspec.DecodeError as error:
        raise HTTPException(422, str(error)) from None
    return JSONResponse({"id": 1, "name": item.name, "price": item.price, "tags": item.tags})


def hello_sync(request: Request) -> JSONResponse:
    """Answer with JSON from a plain function."""
    return JSONResponse({"message": MESSAGE})


async def table(request: Request) -> HTMLResponse:
    """Answer with a page."""
    return templates.TemplateResponse(request, "table.html", {"rows": ROWS})


routes = [
    Route("/plain", plain),
    Route("/json", hello),
    Route("/items/{id:int}", read_item),
    Route("/items", create_item, methods=["POST"]),
    Route("/sync", hello_sync),
    Route("/table", table),
]
for number in range(ROUTE_PAIRS):
    routes += [Route(f"/page{number}", plain), Route(f"/resource{number}/{{id:int}}", read_item)]
app = Starlette(routes=routes)
