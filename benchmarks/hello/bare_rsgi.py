"""Hello world straight on RSGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # granian exports the first without saying so


async def app(scope: Scope, proto: HTTPProtocol) -> None:
    """Answer with text."""
    proto.response_str(200, [("content-type", "text/plain; charset=utf-8")], "Hello, World!")
