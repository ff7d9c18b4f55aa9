"""The WSGI interface (PEP 3333) in process."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from erlen.app.site import Site
from erlen.doors.pool import ThreadPool
from erlen.doors.wsgi import Environ
from erlen.testing.exchange import Exchange
from erlen.testing.outgoing import Outgoing
from erlen.types import HeaderPairs

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["WsgiTransport", "make_environ"]


class WsgiTransport:
    """A server that speaks WSGI: the application runs in its threads, and a stream is pulled one chunk at a time."""

    def __init__(self, site: Site) -> None:
        self.application: Any = site.wsgi

    async def answer(self, exchange: Exchange) -> None:
        """Let the application answer one request."""
        source = _Source(exchange.outgoing, exchange.threads)
        environ = make_environ(exchange.outgoing, io.BufferedReader(source))
        head: list[tuple[int, HeaderPairs]] = []
        written: list[bytes] = []

        def start_response(status: str, headers: HeaderPairs, exc_info: object = None) -> Callable[[bytes], None]:
            head[:] = [(int(status.partition(" ")[0]), [(name.lower(), value) for name, value in headers])]
            return written.append

        call = exchange.threads.call
        body: Iterable[bytes] = await call(self.application, environ, start_response)
        try:
            if head:  # an application that is a generator says it with its first chunk
                exchange.begin(*head[0])
            chunks: Iterator[bytes] = iter(body)
            while True:
                chunk = await call(_next, chunks)
                if head:
                    exchange.begin(*head[0])
                for piece in (*written, chunk or b""):
                    exchange.put(piece)
                written.clear()
                if chunk is None:
                    exchange.end()
                    break
                await exchange.taken()
                if exchange.gone.is_set():
                    break
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                await call(close)


def make_environ(outgoing: Outgoing, body: io.BufferedReader) -> Environ:
    """Return the environment of a request, as a server makes it; a body of unknown length ends by itself."""
    raw_path, query_string = outgoing.target
    url = outgoing.url
    environ: Environ = {
        "REQUEST_METHOD": outgoing.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "QUERY_STRING": query_string,
        "SERVER_NAME": url.host,
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": not isinstance(outgoing.body, bytes),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    for name, text in outgoing.headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
        value = text.encode().decode("latin-1")
        joint = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
    return environ


class _Source(io.RawIOBase):
    """The request's body, for a thread to read."""

    def __init__(self, outgoing: Outgoing, threads: ThreadPool) -> None:
        super().__init__()
        pieces = outgoing.pieces
        self._pieces = _from_loop(aiter(pieces), threads) if isinstance(pieces, AsyncIterable) else iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _from_loop(pieces: AsyncIterator[bytes], threads: ThreadPool) -> Iterator[bytes]:
    async def step() -> bytes | None:
        return await anext(pieces, None)

    while (piece := threads.wait(step())) is not None:
        yield piece


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)
