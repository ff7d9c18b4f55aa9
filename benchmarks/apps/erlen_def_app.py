"""Erlen for the WSGI door, all plain functions: what that door is for. Every default protection is on."""

from __future__ import annotations

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS, Created, Item
from benchmarks.apps.table import ROWS
from erlen import App, Page, render

app = App()


@app.get("/plain")
def plain() -> str:
    """Answer with text."""
    return MESSAGE


@app.get("/json")
@app.get("/sync", name="hello_sync")
def hello() -> dict[str, str]:
    """Answer with JSON."""
    return {"message": MESSAGE}


@app.get("/items/{id:int}")
def read_item(id: int, q: str, limit: int = 10) -> dict[str, int | str]:
    """Answer with what the path and the query say."""
    return {"id": id, "q": q, "limit": limit}


@app.post("/items")
def create_item(data: Item) -> Created:
    """Answer with the validated body."""
    return Created(1, data.name, data.price, data.tags)


@app.get("/table")
def table() -> Page:
    """Answer with a page."""
    return render("table.html", rows=ROWS)


for number in range(ROUTE_PAIRS):
    app.get(f"/page{number}", name=f"page{number}")(plain)
    app.get(f"/resource{number}/{{id:int}}", name=f"resource{number}")(read_item)
