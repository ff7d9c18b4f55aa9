"""The RSGI interface (RSGI 1.6) in process, as granian 2.8 has it."""

from __future__ import annotations

import re
from asyncio import sleep
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from erlen.app.site import Site
from erlen.testing.exchange import Exchange
from erlen.testing.outgoing import Outgoing
from erlen.types import HeaderPairs

__all__ = ["RsgiHeaders", "RsgiProtocol", "RsgiScope", "RsgiTransport"]


class RsgiTransport:
    """A server that speaks RSGI: without back-pressure on streams."""

    def __init__(self, site: Site) -> None:
        self.application: Any = site.rsgi

    async def answer(self, exchange: Exchange) -> None:
        """Let the application answer one request."""
        protocol = RsgiProtocol(exchange)
        await self.application.__rsgi__(RsgiScope.of(exchange.outgoing), protocol)
        # granian ends a stream where its transport is dropped, and cleanly also after an error; here that is the end of the call.
        if protocol.answered:
            exchange.end()


class RsgiHeaders:
    """Header fields of a request: `get` and indexing give the first value, values that are not visible ASCII are hidden."""

    def __init__(self, pairs: HeaderPairs) -> None:
        self._pairs = [(name, value) for name, value in pairs if _VISIBLE(value)]
        self._names = dict.fromkeys(name for name, _ in pairs)

    def __getitem__(self, name: str) -> str:
        for key, value in self._pairs:
            if key == name:
                return value
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._pairs)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the first value of a field, or the default."""
        return next((value for key, value in self._pairs if key == name), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return [value for key, value in self._pairs if key == name]

    def keys(self) -> list[str]:
        """Return the names of the fields, each once."""
        return list(self._names)

    def values(self) -> list[str]:
        """Return the values of all fields."""
        return [value for _, value in self._pairs]

    def items(self) -> list[tuple[str, str]]:
        """Return all fields, repeated names included."""
        return list(self._pairs)


class RsgiScope(Struct, frozen=True, kw_only=True):
    """What granian says about a request. The path is decoded, so that `%2F` counts as `/`."""

    proto: str = "http"
    rsgi_version: str = "1.6"
    http_version: str = "1.1"
    server: str
    client: str = "127.0.0.1:50000"
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None = None
    fields: HeaderPairs

    @property
    def headers(self) -> RsgiHeaders:
        """The header fields, copied anew at each access."""
        return RsgiHeaders(self.fields)

    @classmethod
    def of(cls, outgoing: Outgoing) -> RsgiScope:
        """Return the scope of a request."""
        raw_path, query_string = outgoing.target
        url = outgoing.url
        port = url.port or (443 if url.scheme == "https" else 80)
        return cls(
            server=f"127.0.0.1:{port}",
            scheme=url.scheme,
            method=outgoing.method,
            path=unquote(raw_path),
            query_string=query_string,
            fields=outgoing.headers,
        )


class RsgiProtocol:
    """The way of a request's body to the application, and of the response back. A second response is ignored."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._read = False
        self.answered = False

    async def __call__(self) -> bytes:
        self._begin_reading()
        return b"".join([chunk async for chunk in self._exchange.body()])

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._begin_reading()
        return self._chunks()

    async def client_disconnect(self) -> None:
        """Return once the client has left."""
        await self._exchange.gone.wait()

    def response_empty(self, status: int = 200, headers: HeaderPairs | None = None) -> None:
        """Answer without a body."""
        self._respond(status, headers, b"")

    def response_str(self, status: int = 200, headers: HeaderPairs | None = None, body: str = "") -> None:
        """Answer with text, in UTF-8."""
        self._respond(status, headers, body.encode())

    def response_bytes(self, status: int = 200, headers: HeaderPairs | None = None, body: bytes = b"") -> None:
        """Answer with bytes."""
        self._respond(status, headers, body)

    def response_file(self, status: int, headers: HeaderPairs, file: str) -> None:
        """Answer with a file; its length, type and the like are the application's to say. A missing one is answered with 404."""
        self._send_file(status, headers, file, 0, None)

    def response_file_range(self, status: int, headers: HeaderPairs, file: str, start: int, end: int) -> None:
        """Answer with a part of a file; `end` is the first byte that is left out.

        Raises:
            ValueError: if it is not after `start`.
        """
        if start >= end:
            raise ValueError("Invalid range")
        self._send_file(status, headers, file, start, end)

    def response_stream(self, status: int = 200, headers: HeaderPairs | None = None) -> RsgiStream:
        """Begin a response whose body follows."""
        self._begin(status, list(headers or ()))
        return RsgiStream(self._exchange)

    def _respond(self, status: int, headers: HeaderPairs | None, body: bytes) -> None:
        fields = list(headers or ())
        if status >= 200 and status not in (204, 304) and not any(name == "content-length" for name, _ in fields):
            fields.append(("content-length", str(len(body))))
        if self._begin(status, fields) and self._exchange.outgoing.method != "HEAD":
            self._exchange.put(body)

    def _send_file(self, status: int, headers: HeaderPairs, path: str, start: int, end: int | None) -> None:
        try:
            with open(path, "rb") as file:
                file.seek(start)
                content = file.read() if end is None else file.read(end - start)
        except OSError:
            status, headers, content = 404, [], b""
        if self._begin(status, list(headers)) and self._exchange.outgoing.method != "HEAD":
            self._exchange.put(content)

    def _begin(self, status: int, headers: HeaderPairs) -> bool:
        if self.answered:
            return False
        self.answered = True
        self._exchange.begin(status, headers)
        return True

    def _begin_reading(self) -> None:
        if self._read:
            raise RuntimeError("the body was read already")  # granian's RSGIProtocolError is one
        self._read = True

    async def _chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._exchange.body():
            yield chunk
        yield b""


class RsgiStream:
    """The body of a response, as it is made: nothing holds it back for a slow client."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes."""
        self._exchange.put(data)
        await sleep(0)  # one turn of the loop, so that a stream that waits for nothing still learns that the client has left

    async def send_str(self, data: str) -> None:
        """Send text, in UTF-8."""
        await self.send_bytes(data.encode())


_VISIBLE = re.compile(r"[\t\x20-\x7e]*").fullmatch
