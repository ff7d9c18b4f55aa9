"""Handlers that stream: generators as responses, and dependencies that are cleaned up at the stream's end (DESIGN, Lifecycles 4)."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, TypeAlias

from erlen.binding.dependency import Cleanup
from erlen.binding.result import ResultPlan, mode_of_item, stream_response
from erlen.drive import drive
from erlen.http.request import Request
from erlen.http.response import StreamResponse

__all__ = ["GENERATORS", "closing_with", "start_stream"]

ThreadCall: TypeAlias = Callable[..., Awaitable[Any]]

GENERATORS = frozenset({GeneratorType, AsyncGeneratorType})


async def start_stream(request: Request, items: Any, plan: ResultPlan) -> StreamResponse:
    """Answer with a generator. Where the annotation does not say what it yields, its first item does."""
    mode = plan.stream or "peek"
    is_async = hasattr(items, "__anext__")
    source = items
    if mode == "peek":
        first = await anext(items, _END) if is_async else next(items, _END)
        mode = "text" if first is _END else mode_of_item(type(first))
        source = _aput_back(first, items) if is_async else _put_back(first, items)
    response = stream_response(source, mode, status=plan.status, encode_item=plan.encode_item)
    if request.method == "HEAD":
        # Nobody will iterate, and what was never begun is not closed by closing what stands around it.
        await items.aclose() if is_async else items.close()
        response.chunks = ()
    return response


async def closing_with(response: StreamResponse, cleanup: Cleanup, thread_call: ThreadCall | None) -> StreamResponse:
    """Let a stream's end clean up what its handler depends on.

    Args:
        response: whose chunks are not yet begun.
        cleanup: the handler's generators.
        thread_call: for an `async def` handler, whose generators belong to the loop: takes the items of a plain iterable in threads.
    """
    try:
        await cleanup.before("__before_stream__")
    except BaseException as error:  # noqa: BLE001 - as below
        raise await cleanup.fail(error)  # noqa: B904 - as below
    chunks: Any = response.chunks
    if isinstance(chunks, AsyncIterable):
        response.chunks = _AsyncStream(aiter(chunks), cleanup, response)
    elif thread_call is not None:
        response.chunks = _AsyncStream(_in_threads(iter(chunks), thread_call), cleanup, response)
    else:
        response.chunks = _Stream(iter(chunks), cleanup, response)
    return response


async def _aput_back(first: Any, items: Any) -> AsyncIterator[Any]:
    try:
        if first is not _END:
            yield first
            async for item in items:
                yield item
    finally:
        await items.aclose()


def _put_back(first: Any, items: Any) -> Iterator[Any]:
    try:
        if first is not _END:
            yield first
            yield from items
    finally:
        items.close()


async def _in_threads(items: Iterator[Any], thread_call: ThreadCall) -> AsyncIterator[Any]:
    try:
        while (item := await thread_call(next, items, _END)) is not _END:
            yield item
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            await thread_call(close)


class _Chunks:
    """Chunks that clean up at their end; a class, because a generator that nobody begins could not."""

    def __init__(self, chunks: Any, cleanup: Cleanup, response: StreamResponse) -> None:
        self._chunks = chunks
        self._cleanup = cleanup
        self._response = response


class _AsyncStream(_Chunks):
    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            await self._cleanup.close(self._response)
            raise
        except BaseException as error:  # noqa: BLE001 - raised again, once the generators are closed
            raise await self._cleanup.fail(error)  # noqa: B904 - it is the same error, or one that a clean-up raised from it

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        try:
            if close is not None:
                await close()
        finally:
            await self._cleanup.fail(GeneratorExit())


class _Stream(_Chunks):
    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._chunks)
        except StopIteration:
            drive(self._cleanup.close(self._response))
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            raise drive(self._cleanup.fail(error))  # noqa: B904 - as above

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        try:
            if close is not None:
                close()
        finally:
            drive(self._cleanup.fail(GeneratorExit()))


_END: Any = object()
