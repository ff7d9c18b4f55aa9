"""The test client for `def` tests."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from erlen.testing.connected import Connected
from erlen.testing.exchange import Exchange
from erlen.testing.loop_thread import LoopThread
from erlen.testing.outgoing import RequestOptions
from erlen.testing.response import StreamedResponse, TestResponse

__all__ = ["Client"]


class Client(Connected[TestResponse]):
    """Sends requests to an application in this process, as a browser on the site's own page would.

    The application runs behind a real door, on an event loop in a thread of its own, so that streams, disconnects and `def` handlers
    behave as on a server; every request has its own context, a copy of the test's. The site's protections stay on. Usable from
    several threads, and also inside a running event loop, which it blocks meanwhile.

    In `with Client(app) as client:` the site starts before the first line and stops after the last. Without `with` it starts at the first
    request and stops with `close()`; where that is not called, when the client is dropped or the process ends.

    Args:
        app: the application; it is frozen anew for this client.
        door: `asgi`, `rsgi` or `wsgi`; by default the one that `erlen run` would choose.
        overrides: as for `App.freeze`: settings by name, dependencies by the function they replace, provided values by type. An
            application without `secret_key` gets a random one.
        base_url: scheme and host that paths belong to. Loopback names are allowed always, others by the setting `allowed_hosts`.
        headers: sent with each request.
        follow_redirects: whether redirects are followed; at most 20.
        raise_errors: raise what a handler raises unexpectedly (anything but an `HTTPError`), also in the middle of a stream or
            after the response; False shows the response that a browser would get.

    Raises:
        ConfigurationError: listing the application's mistakes.
    """

    def _prepare(self) -> None:
        self._loop = LoopThread()
        weakref.finalize(self, self._loop.abandon)

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a request, and return the response when the application is done with it, work after the response included.

        Args:
            method: in upper case.
            path: from the root, with a query string perhaps, sent as it is; or an absolute URL.
            options: `params`, `headers`, `cookies`, `follow_redirects`, and for the body one of `json`, `content`, or `data` and
                `files`. See `RequestOptions`.

        Raises:
            Exception: what the handler raised unexpectedly, unless `raise_errors=False`.
            ConnectionError: where a real client would see the response break off.
        """
        return self._loop.run(self._connection.request(method, path, options))

    @contextmanager
    def stream(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Generator[StreamedResponse]:
        """Send a request and read its response while it is made: `with client.stream("GET", "/events") as response:`.

        The end of the block disconnects, and waits until the application has noticed.

        Raises:
            ErlenError: if it has not after five seconds. Else what `request` raises.
        """
        exchange, history = self._loop.run(self._connection.begin(method, path, options))
        try:
            yield self._connection.make(StreamedResponse, exchange, history, partial(self._next_chunk, exchange))
        finally:
            self._loop.run(self._connection.end(exchange))
        self._connection.raise_failures(exchange)

    def close(self) -> None:
        """Stop the site and end the client's thread. A second call does nothing."""
        if self._loop.ended:
            return
        try:
            self._loop.run(self._connection.close())
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        try:
            self._loop.run(self._connection.open())
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _next_chunk(self, exchange: Exchange) -> bytes | None:
        return self._loop.run(self._connection.next_chunk(exchange))
