"""The test client for `async def` tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack

from erlen.app.application import App
from erlen.app.door import Door
from erlen.app.site import Site
from erlen.http.session import HttpSession
from erlen.testing.connection import Connection
from erlen.testing.cookies import CookieJar
from erlen.testing.outgoing import RequestHeaders, RequestOptions
from erlen.testing.response import AsyncStreamedResponse, TestResponse

__all__ = ["AsyncClient"]


class AsyncClient:
    """`Client` for `async def` tests: the application runs on the test's own event loop, and every answer is awaited.

    In `async with AsyncClient(app) as client:` the site starts before the first line and stops after the last. Without it the site
    starts at the first request and stops with `close()`; where that is not called, when the loop ends (as `asyncio.run` and the plugins
    of pytest end it, by cancelling what is left). A client belongs to one loop.

    The arguments are those of `Client`.

    Raises:
        ConfigurationError: listing the application's mistakes.
    """

    def __init__(
        self,
        app: App | Site,
        *,
        door: Door | None = None,
        overrides: Mapping[Any, Any] | None = None,
        base_url: str = "http://localhost",
        headers: RequestHeaders = None,
        follow_redirects: bool = False,
        raise_errors: bool = True,
    ) -> None:
        self._connection = Connection(
            app,
            door=door,
            overrides=overrides,
            base=base_url,
            headers=headers,
            follow_redirects=follow_redirects,
            raise_errors=raise_errors,
        )

    @property
    def site(self) -> Site:
        """The frozen application: its settings, routes, `url_for`."""
        return self._connection.site

    @property
    def door(self) -> Door:
        """The interface that requests go through."""
        return self._connection.door

    @property
    def cookies(self) -> CookieJar:
        """The cookies that the client keeps between requests: name -> value."""
        return self._connection.cookies

    def session(self) -> AbstractContextManager[HttpSession]:
        """Read and change the session of this client's cookies; it is saved when the block ends without an exception."""
        return self._connection.session()

    async def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a request, and return the response when the application is done with it; as `Client.request`.

        A cancelled request disconnects, and cancels the handler.
        """
        return await self._connection.request(method, path, options)

    async def get(self, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a GET request."""
        return await self.request("GET", path, **options)

    async def head(self, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a HEAD request."""
        return await self.request("HEAD", path, **options)

    async def options(self, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send an OPTIONS request."""
        return await self.request("OPTIONS", path, **options)

    async def post(self, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a POST request."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a PUT request."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a PATCH request."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a DELETE request."""
        return await self.request("DELETE", path, **options)

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Unpack[RequestOptions]) -> AsyncGenerator[AsyncStreamedResponse]:
        """Send a request and read its response while it is made; as `Client.stream`."""
        exchange, history = await self._connection.begin(method, path, options)
        try:
            yield self._connection.make(AsyncStreamedResponse, exchange, history, partial(self._connection.next_chunk, exchange))
        finally:
            await self._connection.end(exchange)
        self._connection.raise_failures(exchange)

    async def close(self) -> None:
        """Stop the site. A second call does nothing."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        await self._connection.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.site!r} through {self.door}>"
