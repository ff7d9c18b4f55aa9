"""The test client for `async def` tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack

from erlen.testing.connected import Connected
from erlen.testing.outgoing import RequestOptions
from erlen.testing.response import AsyncStreamedResponse, TestResponse

__all__ = ["AsyncClient"]


class AsyncClient(Connected[Coroutine[Any, Any, TestResponse]]):
    """`Client` for `async def` tests: the application runs on the test's own event loop, and every answer is awaited.

    In `async with AsyncClient(app) as client:` the site starts before the first line and stops after the last. Without it the site
    starts at the first request and stops with `close()`; where that is not called, when the loop ends (as `asyncio.run` and the plugins
    of pytest end it, by cancelling what is left). A client belongs to one loop.

    The arguments are those of `Client`.

    Raises:
        ConfigurationError: listing the application's mistakes.
    """

    async def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> TestResponse:
        """Send a request, and return the response when the application is done with it; as `Client.request`.

        A cancelled request disconnects, and cancels the handler.
        """
        return await self._connection.request(method, path, options)

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
