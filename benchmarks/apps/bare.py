"""What the bare handlers do besides talking to their server: the least that gives the same answers.

Headers come from `BENCH_HEADERS`, which the runner fills with what Erlen was seen to send, so that the bytes are the same. Queries go
through `urllib.parse.parse_qsl`, bodies through `msgspec` and the page through Jinja2, its template loaded once, as a careful person
would write them by hand.
"""

from __future__ import annotations

import json
import os
from urllib.parse import parse_qsl

import msgspec
from jinja2 import Environment, FileSystemLoader

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS, Created, Item
from benchmarks.apps.table import ROWS, TEMPLATES

__all__ = ["HTML_HEADERS", "JSON_HEADERS", "PLAIN", "TABLE", "TEXT_HEADERS", "hello", "post_item", "read_item", "resource_id", "table"]

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
PLAIN = MESSAGE.encode()
TABLE = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("table.html")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Item).decode
_resources = {f"resource{number}" for number in range(ROUTE_PAIRS)}


def _header_list(content_type: str) -> list[tuple[str, str]]:
    seen: dict[str, list[list[str]]] = json.loads(os.environ.get("BENCH_HEADERS", "{}"))
    return [(name, value) for name, value in seen.get(content_type, [["content-type", content_type]])]


TEXT_HEADERS = _header_list(TEXT)
JSON_HEADERS = _header_list(JSON)
HTML_HEADERS = _header_list(HTML)


def hello() -> bytes:
    """Encode the greeting."""
    return _encode({"message": MESSAGE})


def table() -> bytes:
    """Render the page."""
    return TABLE.render(rows=ROWS).encode()


def read_item(number: str, query: str) -> bytes | None:
    """Encode the item that a path and query ask for; None when they are malformed."""
    fields = dict(parse_qsl(query, keep_blank_values=True))
    try:
        return _encode({"id": int(number), "q": fields["q"], "limit": int(fields.get("limit", "10"))})
    except (KeyError, ValueError):
        return None


def post_item(body: bytes) -> bytes | None:
    """Validate a posted item and encode the answer; None when it is invalid."""
    try:
        item = _decode(body)
    except msgspec.DecodeError:
        return None
    return _encode(Created(1, item.name, item.price, item.tags))


def resource_id(path: str) -> str | None:
    """Return the number at the end of `/resourceN/number` where such a route exists."""
    _, name, number = path.split("/", 2) if path.count("/") >= 2 else ("", "", "")
    return number if name in _resources else None
