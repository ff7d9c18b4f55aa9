"""Hello world in Starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def plain(request: Request) -> PlainTextResponse:
    """Answer with text."""
    return PlainTextResponse("Hello, World!")


app = Starlette(routes=[Route("/plain", plain)])
