"""FastAPI."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS
from benchmarks.apps.table import ROWS, TEMPLATES

app = FastAPI()
templates = Jinja2Templates(TEMPLATES)


class Item(BaseModel):
    """The validated body."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    price: Annotated[float, Field(ge=0)]
    tags: list[str]


class Created(BaseModel):
    """The answer to a posted item."""

    id: int
    name: str
    price: float
    tags: list[str]


@app.get("/plain", response_class=PlainTextResponse)
async def plain() -> str:
    """Answer with text."""
    return MESSAGE


@app.get("/json")
async def hello() -> dict[str, str]:
    """Answer with JSON."""
    return {"message": MESSAGE}


@app.get("/items/{id}")
async def read_item(id: int, q: str, limit: int = 10) -> dict[str, int | str]:
    """Answer with what the path and the query say."""
    return {"id": id, "q": q, "limit": limit}


@app.post("/items")
async def create_item(data: Item) -> Created:
    """Answer with the validated body."""
    return Created(id=1, name=data.name, price=data.price, tags=data.tags)


@app.get("/sync")
def hello_sync() -> dict[str, str]:
    """Answer with JSON from a plain function."""
    return {"message": MESSAGE}


@app.get("/table", response_class=HTMLResponse)
async def table(request: Request) -> HTMLResponse:
    """Answer with a page."""
    return templates.TemplateResponse(request=request, name="table.html", context={"rows": ROWS})


for number in range(ROUTE_PAIRS):
    app.get(f"/page{number}", response_class=PlainTextResponse)(plain)
    app.get(f"/resource{number}/{{id}}")(read_item)
