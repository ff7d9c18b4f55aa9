"""Hello world in BlackSheep."""

from __future__ import annotations

from blacksheep import Application, Response, get, text

app = Application()


@get("/plain")
async def plain() -> Response:
    """Answer with text."""
    return text("Hello, World!")
