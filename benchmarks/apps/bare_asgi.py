"""Written straight on ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from benchmarks.apps.bare import HTML_HEADERS, JSON_HEADERS, PLAIN, TEXT_HEADERS, hello, post_item, read_item, resource_id, table

Message = MutableMapping[str, Any]

_TEXT = [(name.encode(), value.encode()) for name, value in TEXT_HEADERS]
_JSON = [(name.encode(), value.encode()) for name, value in JSON_HEADERS]
_HTML = [(name.encode(), value.encode()) for name, value in HTML_HEADERS]


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return await _lifespan(receive, send)
    path: str = scope["path"]
    headers = _JSON
    status = 200
    body: bytes | None
    if path == "/plain":
        body, headers = PLAIN, _TEXT
    elif path in {"/json", "/sync"}:
        body = hello()
    elif path == "/table":
        body, headers = table(), _HTML
    elif path == "/items" and scope["method"] == "POST":
        event = await receive()
        data: bytes = event["body"]
        while event.get("more_body"):
            event = await receive()
            data += event["body"]
        body = post_item(data)
    elif path.startswith("/items/"):
        body = read_item(path[7:], scope["query_string"].decode("latin-1"))
    elif (number := resource_id(path)) is not None:
        body = read_item(number, scope["query_string"].decode("latin-1"))
    else:
        status, body = 404, b""
    if body is None:
        status, body = 422, b""
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    while True:
        event = await receive()
        await send({"type": event["type"] + ".complete"})
        if event["type"] == "lifespan.shutdown":
            return
