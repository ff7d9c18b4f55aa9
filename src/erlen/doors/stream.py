"""Sending a body that is made while it is sent, and stopping when nobody wants it any more."""

from __future__ import annotations

from asyncio import CancelledError, Future, ensure_future, sleep
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from erlen.doors.chunk import Measure
from erlen.doors.draining import Draining
from erlen.doors.interruption import Interruption
from erlen.doors.pool import ThreadPool
from erlen.http.response import StreamResponse

__all__ = ["discard_stream", "send_stream"]

EVENT_STREAM = "text/event-stream"
# After so many chunks the event loop gets a turn: where neither the generator nor the server suspends, it would have none.
CHUNKS_PER_TURN = 16


async def send_stream(
    response: StreamResponse,
    *,
    send: Callable[[bytes], Awaitable[object]],
    disconnected: Callable[[], Coroutine[Any, Any, object]],
    pool: ThreadPool,
    draining: Draining,
) -> bool:
    """Send each chunk of a stream as it is made, then close the generator.

    Args:
        send: writes one chunk, and waits where the server has back-pressure.
        disconnected: returns once the client has gone. Then, or when the worker is stopping and this is an event stream, the
            generator is cancelled where it waits, and closed.

    Returns:
        Whether the stream came to its end, or was ended because the worker is stopping; False when the client has gone.

    Raises:
        Exception: what the generator raises; BrokenStream when its length is not the declared Content-Length.
    """
    measure = Measure(response)
    iterator = _iterate(response, pool)
    interruption = Interruption()

    def interrupt(watcher: Future[object]) -> None:
        if not watcher.cancelled() and watcher.exception() is None:
            interruption.interrupt()

    left = ensure_future(disconnected())
    watchers = [left, ensure_future(draining.wait())] if (response.content_type or "").startswith(EVENT_STREAM) else [left]
    for watcher in watchers:
        watcher.add_done_callback(interrupt)
    count = 0
    try:
        async for chunk in iterator:
            count += 1
            if not count % CHUNKS_PER_TURN:
                await sleep(0)
            if interruption.came:  # the generator swallowed the cancellation
                raise CancelledError
            data = measure.take(chunk)
            if data:
                await send(data)
    except CancelledError:
        if not interruption.absorb():
            raise
    finally:
        is_gone = left.done()
        for watcher in watchers:
            watcher.remove_done_callback(interrupt)
            watcher.cancel()
        await _close(iterator)
    if interruption.came:
        return not is_gone
    measure.end()
    return True


async def discard_stream(response: StreamResponse, pool: ThreadPool) -> None:
    """Close a stream of which nothing is wanted, as that of a response to HEAD."""
    await _close(_iterate(response, pool))


def _iterate(response: StreamResponse, pool: ThreadPool) -> AsyncIterator[bytes | str]:
    chunks = response.chunks
    return aiter(chunks) if isinstance(chunks, AsyncIterable) else pool.iterate(chunks)


async def _close(iterator: AsyncIterator[bytes | str]) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()
