"""Flask; bodies are validated by msgspec, since Flask has no validator."""

from __future__ import annotations

import msgspec
from flask import Flask, Response, abort, render_template, request

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS, Item
from benchmarks.apps.table import ROWS

app = Flask(__name__)
decode_item = msgspec.json.Decoder(Item).decode


@app.get("/plain")
def plain() -> Response:
    """Answer with text."""
    return Response(MESSAGE, mimetype="text/plain")


@app.get("/json")
@app.get("/sync")
def hello() -> dict[str, str]:
    """Answer with JSON."""
    return {"message": MESSAGE}


@app.get("/items/<int:id>")
def read_item(id: int) -> dict[str, int | str]:
    """Answer with what the path and the query say."""
    try:
        return {"id": id, "q": request.args["q"], "limit": int(request.args.get("limit", "10"))}
    except ValueError:
        abort(422)


@app.post("/items")
def create_item() -> dict[str, object]:
    """Answer with the validated body."""
    try:
        item = decode_item(request.get_data())
    except msgspec.DecodeError as error:
        abort(422, str(error))
    return {"id": 1, "name": item.name, "price": item.price, "tags": item.tags}


@app.get("/table")
def table() -> str:
    """Answer with a page."""
    return render_template("table.html", rows=ROWS)


for number in range(ROUTE_PAIRS):
    app.add_url_rule(f"/page{number}", f"page{number}", plain)
    app.add_url_rule(f"/resource{number}/<int:id>", f"resource{number}", read_item)
