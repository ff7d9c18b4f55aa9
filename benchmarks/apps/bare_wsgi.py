"""Written straight on WSGI (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks.apps.bare import HTML_HEADERS, JSON_HEADERS, PLAIN, TEXT_HEADERS, hello, post_item, read_item, resource_id, table

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request."""
    path: str = environ["PATH_INFO"]
    headers = JSON_HEADERS
    status = "200 OK"
    body: bytes | None
    if path == "/plain":
        body, headers = PLAIN, TEXT_HEADERS
    elif path in {"/json", "/sync"}:
        body = hello()
    elif path == "/table":
        body, headers = table(), HTML_HEADERS
    elif path == "/items" and environ["REQUEST_METHOD"] == "POST":
        body = post_item(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    elif path.startswith("/items/"):
        body = read_item(path[7:], environ["QUERY_STRING"])
    elif (number := resource_id(path)) is not None:
        body = read_item(number, environ["QUERY_STRING"])
    else:
        status, body = "404 Not Found", b""
    if body is None:
        status, body = "422 Unprocessable Content", b""
    start_response(status, [*headers, ("content-length", str(len(body)))])
    return [body]
