"""BlackSheep, with pydantic models for the body and its Jinja2 views."""

from __future__ import annotations

from typing import Annotated

from blacksheep import Application, FromJSON, Response, get, json, post, text
from blacksheep.server.rendering.jinja2 import JinjaRenderer
from blacksheep.server.responses import view
from blacksheep.settings.html import html_settings
from jinja2 import DictLoader
from pydantic import BaseModel, Field

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS
from benchmarks.apps.table import ROWS, TEMPLATES

app = Application()
# Its templates are named .jinja; this one is the file that the others render.
html_settings.use(JinjaRenderer(DictLoader({"table.jinja": (TEMPLATES / "table.html").read_text(encoding="utf-8")})))


class Item(BaseModel):
    """The validated body."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    price: Annotated[float, Field(ge=0)]
    tags: list[str]


@get("/plain")
async def plain() -> Response:
    """Answer with text."""
    return text(MESSAGE)


@get("/json")
async def hello() -> Response:
    """Answer with JSON."""
    return json({"message": MESSAGE})


@get("/items/{id}")
async def read_item(id: int, q: str, limit: int = 10) -> Response:
    """Answer with what the path and the query say."""
    return json({"id": id, "q": q, "limit": limit})


@post("/items")
async def create_item(data: FromJSON[Item]) -> Response:
    """Answer with the validated body."""
    item = data.value
    return json({"id": 1, "name": item.name, "price": item.price, "tags": item.tags})


@get("/sync")
def hello_sync() -> Response:
    """Answer with JSON from a plain function."""
    return json({"message": MESSAGE})


@get("/table")
async def table() -> Response:
    """Answer with a page."""
    return view("table", rows=ROWS)


for number in range(ROUTE_PAIRS):
    get(f"/page{number}")(plain)
    get(f"/resource{number}/{{id}}")(read_item)
