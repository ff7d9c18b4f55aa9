"""Sending a body that is made while it is sent, and stopping when nobody wants it any more."""

from __future__ import annotations

from asyncio import CancelledError, Future, Task, current_task, ensure_future
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Self

from erlen.doors.chunk import as_bytes, check_length, declared_length
from erlen.doors.draining import Draining
from erlen.doors.pool import ThreadPool
from erlen.http.response import StreamResponse

__all__ = ["discard_stream", "send_stream"]

EVENT_STREAM = "text/event-stream"


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
    length = declared_length(response)
    iterator = _iterate(response, pool)
    with _Interruption(disconnected) as client_gone, _Interruption(_stop(draining, response)) as stopping:
        sent = 0
        try:
            async for chunk in iterator:
                if client_gone.came or stopping.came:  # the generator swallowed the cancellation
                    break
                data = as_bytes(chunk)
                if data:
                    sent += len(data)
                    check_length(sent, length, ended=False)
                    await send(data)
        except CancelledError:
            if not (client_gone.absorb() or stopping.absorb()):
                raise
        finally:
            client_gone.disarm()
            stopping.disarm()
            await _close(iterator)
    if client_gone.came:
        return False
    check_length(sent, length, ended=not stopping.came)
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


def _stop(draining: Draining, response: StreamResponse) -> Callable[[], Coroutine[Any, Any, object]] | None:
    return draining.wait if (response.content_type or "").startswith(EVENT_STREAM) else None


class _Interruption:
    """Cancels the current task where it waits, once something has happened."""

    __slots__ = ("_start", "_task", "_watcher", "came")

    def __init__(self, start: Callable[[], Coroutine[Any, Any, object]] | None) -> None:
        self._start = start
        self._task: Task[Any] | None = None
        self._watcher: Future[object] | None = None
        self.came = False

    def __enter__(self) -> Self:
        self._task = current_task()
        if self._start is not None:
            self._watcher = ensure_future(self._start())
            self._watcher.add_done_callback(self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.disarm()

    def disarm(self) -> None:
        """Interrupt no more, whatever happens."""
        if self._watcher is not None:
            self._watcher.remove_done_callback(self._interrupt)
            self._watcher.cancel()
            self._watcher = None

    def absorb(self) -> bool:
        """Return whether a cancellation came from here; then the task goes on as if it had not been."""
        if self.came and self._task is not None:
            self._task.uncancel()
        return self.came

    def _interrupt(self, watcher: Future[object]) -> None:
        if self._task is not None and not watcher.cancelled() and watcher.exception() is None:
            self.came = True
            self._task.cancel()
