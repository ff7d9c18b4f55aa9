"""Sending a body that is made while it is sent, and stopping when nobody wants it any more."""

from __future__ import annotations

from asyncio import CancelledError, Future, current_task, ensure_future, get_running_loop, sleep
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial

from erlen.doors.chunk import Measure, is_event_stream
from erlen.doors.interruption import Interruption
from erlen.doors.pool import ThreadPool
from erlen.doors.protocol import Site
from erlen.http.request import Request
from erlen.http.response import StreamResponse

__all__ = ["discard_stream", "send_stream"]

# After so many chunks the event loop gets a turn: where neither the generator nor the server suspends, it would have none.
CHUNKS_PER_TURN = 16


async def send_stream(request: Request, response: StreamResponse, site: Site, send: Callable[[bytes], Awaitable[object]]) -> bool:
    """Send each chunk of a stream as it is made, then close the generator.

    When the client has gone, or the worker is stopping and this is an event stream, the generator is cancelled where it waits.

    Args:
        request: whose client waits for it.
        response: the stream.
        site: whose threads make the chunks of a plain iterable.
        send: writes one chunk, and waits where the server has back-pressure.

    Returns:
        Whether the stream came to its end, or was ended because the worker is stopping; False when the client has gone.

    Raises:
        Exception: what the generator raises; BrokenStream when its length is not the declared Content-Length.
    """
    measure = Measure(response)
    iterator = _iterate(response, site.pool)
    loop = get_running_loop()
    task = current_task(loop)
    interruption = Interruption(task, 0 if task is None else task.cancelling())

    def leave(watcher: Future[None]) -> None:
        if not watcher.cancelled() and watcher.exception() is None:
            interruption.interrupt()

    watcher: Future[None] = ensure_future(request.wait_disconnect())
    watcher.add_done_callback(leave)
    stop = partial(loop.call_soon_threadsafe, interruption.interrupt)
    forget = site.draining.on_start(stop) if is_event_stream(response) else None
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
        is_gone = watcher.done()
        watcher.cancel()
        interruption.disarm()
        if forget is not None:
            forget()
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
