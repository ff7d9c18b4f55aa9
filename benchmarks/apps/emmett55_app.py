"""Emmett55, with Renoir, the template engine of its family; bodies are validated by msgspec. Plain functions run on its loop."""

from __future__ import annotations

import msgspec
from emmett55 import App, abort, request, response
from emmett55.templating import AbstractTemplater
from emmett55.tools import service
from renoir import Renoir

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS, Item
from benchmarks.apps.table import ROWS, Row


class Templates(AbstractTemplater):
    """Renoir as an extension of the application."""

    def on_load(self) -> None:
        super().on_load()
        self.engine = Renoir(path=self.config.path)

    def render(self, template: str, ctx: dict[str, object]) -> str:
        return self.engine.render(template, ctx)


app = App(__name__)
templates = app.use_extension(Templates)
decode_item = msgspec.json.Decoder(Item).decode


@app.route("/plain", methods="get", output="str")
async def plain() -> str:
    """Answer with text."""
    response.content_type = "text/plain; charset=utf-8"
    return MESSAGE


@app.route("/json", methods="get")
@service.json
async def hello() -> dict[str, str]:
    """Answer with JSON."""
    return {"message": MESSAGE}


@app.route("/items/<int:id>", methods="get")
@service.json
async def read_item(id: int) -> dict[str, int | str]:
    """Answer with what the path and the query say."""
    query = request.query_params
    if query.q is None:
        abort(422)
    try:
        return {"id": id, "q": query.q, "limit": int(query.limit or "10")}
    except ValueError:
        return abort(422)


@app.route("/items", methods="post")
@service.json
async def create_item() -> dict[str, object]:
    """Answer with the validated body."""
    try:
        item = decode_item(await request.body)
    except msgspec.DecodeError:
        return abort(422)
    return {"id": 1, "name": item.name, "price": item.price, "tags": item.tags}


@app.route("/sync", methods="get")
@service.json
def hello_sync() -> dict[str, str]:
    """Answer with JSON from a plain function."""
    return {"message": MESSAGE}


@app.route("/table", methods="get")
@templates(name="renoir.html")
async def table() -> dict[str, list[Row]]:
    """Answer with a page."""
    return {"rows": ROWS}


for number in range(ROUTE_PAIRS):
    app.route(f"/page{number}", name=f"page{number}", methods="get", output="str")(plain)
    app.route(f"/resource{number}/<int:id>", name=f"resource{number}", methods="get")(service.json(read_item))
