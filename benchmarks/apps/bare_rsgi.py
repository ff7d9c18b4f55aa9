"""Written straight on RSGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.apps.bare import HTML_HEADERS, JSON_HEADERS, PLAIN, TEXT_HEADERS, hello, post_item, read_item, resource_id, table

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # granian exports the first without saying so


async def app(scope: Scope, proto: HTTPProtocol) -> None:
    """Answer one request."""
    path = scope.path
    body: bytes | None
    if path == "/plain":
        proto.response_bytes(200, TEXT_HEADERS, PLAIN)
        return
    if path == "/table":
        proto.response_bytes(200, HTML_HEADERS, table())
        return
    if path in {"/json", "/sync"}:
        body = hello()
    elif path == "/items" and scope.method == "POST":
        body = post_item(await proto())
    elif path.startswith("/items/"):
        body = read_item(path[7:], scope.query_string)
    elif (number := resource_id(path)) is not None:
        body = read_item(number, scope.query_string)
    else:
        proto.response_empty(404, [])
        return
    if body is None:
        proto.response_empty(422, [])
    else:
        proto.response_bytes(200, JSON_HEADERS, body)
