"""The ASGI interface (ASGI 3.0, HTTP spec 2.5) in process."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from erlen.app.site import Site
from erlen.doors.asgi import Message, Scope
from erlen.testing.exchange import Exchange
from erlen.testing.outgoing import Outgoing

__all__ = ["AsgiTransport", "make_scope"]


class AsgiTransport:
    """A server that speaks ASGI: with back-pressure, one chunk at a time, and files by path."""

    def __init__(self, site: Site) -> None:
        self.application: Any = site.asgi

    async def answer(self, exchange: Exchange) -> None:
        """Let the application answer one request."""
        body = exchange.body()

        async def receive() -> Message:
            chunk = None if exchange.gone.is_set() else await anext(body, None)
            if chunk is not None:
                return {"type": "http.request", "body": chunk, "more_body": True}
            if not receiver.ended and not exchange.gone.is_set():
                receiver.ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await exchange.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            kind = message["type"]
            if kind == "http.response.start":
                headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message.get("headers", ())]
                exchange.begin(message["status"], headers)
            elif kind == "http.response.body":
                exchange.put(message.get("body", b"") if exchange.outgoing.method != "HEAD" else b"")
                if message.get("more_body", False):
                    await exchange.taken()
                else:
                    exchange.end()
            elif kind == "http.response.pathsend":
                exchange.put(await exchange.threads.call(Path(message["path"]).read_bytes))
                exchange.end()
            else:
                raise ValueError(f"an HTTP application sends no {kind!r} message")

        receiver = _Receiver()
        await self.application(make_scope(exchange.outgoing), receive, send)


class _Receiver:
    ended = False


def make_scope(outgoing: Outgoing) -> Scope:
    """Return the scope of a request, as a server makes it."""
    raw_path, query_string = outgoing.target
    url = outgoing.url
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": outgoing.method,
        "scheme": url.scheme,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii"),
        "query_string": query_string.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("ascii"), value.encode()) for name, value in outgoing.headers],
        "client": ("127.0.0.1", 50000),
        "server": (url.host, url.port or (443 if url.scheme == "https" else 80)),
        "state": {},
        "extensions": {"http.response.pathsend": {}},
    }
