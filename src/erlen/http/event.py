"""Streams of messages: server-sent events (WHATWG HTML, section 9.2) and JSON Lines."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterable

from msgspec import Struct

from erlen.http.response import StreamResponse, encode_json, transform
from erlen.types import HeadersInit

__all__ = ["Event", "EventStreamResponse", "JSONLinesResponse"]


class Event(Struct):
    """One server-sent event. With nothing but a `comment`, `id` or `retry` it is no message, only that."""

    data: object = ""
    """Text is sent as it is, anything else as JSON."""
    event: str | None = None
    """The kind of event, `message` where none is said; one line."""
    id: str | None = None
    """What the browser sends back as `Last-Event-ID` when it connects again; one line."""
    retry: int | None = None
    """How long the browser shall wait before it connects again, in milliseconds."""
    comment: str | None = None
    """Ignored by browsers; keeps the connection open."""

    def encode(self) -> bytes:
        """Return the event as it is sent, in UTF-8, with the empty line at its end.

        Raises:
            ValueError: if `event` or `id` has a line break or NUL, which would end the field (injection), or `retry` is negative.
        """
        parts: list[str] = []
        if self.comment is not None:
            parts += [f": {line}\n" for line in _BREAK(self.comment)]
        for field, text in (("event", self.event), ("id", self.id)):
            if text is not None:
                if _NO_LINE(text):
                    raise ValueError(f"the {field} of an event is one line without NUL, not {text!r}")
                parts.append(f"{field}: {text}\n")
        if self.retry is not None:
            if self.retry < 0:
                raise ValueError(f"the retry of an event is in milliseconds from 0, not {self.retry}")
            parts.append(f"retry: {self.retry:d}\n")
        if self.data != "" or self.event is not None or not parts:
            text = self.data if isinstance(self.data, str) else encode_json(self.data).decode()
            parts += [f"data: {line}\n" for line in _BREAK(text)]
        parts.append("\n")
        # A lone surrogate cannot be sent; it must not break off the stream.
        return "".join(parts).encode("utf-8", "replace")


class EventStreamResponse(StreamResponse):
    """A stream of server-sent events, for `EventSource` in a browser.

    Args:
        items: an iterable (each item taken in a thread) or asynchronous iterable of `Event`s; text or anything else becomes the
            data of one. It is closed when the stream ends, also when the client leaves.
        heartbeat: after so many seconds without an item a comment is sent, which keeps proxies from closing the connection and
            shows that the client has gone; None for never. Only for asynchronous items.
        status: 200; browsers connect again after anything else but 204.
    """

    __slots__ = ()

    def __init__(
        self,
        items: AsyncIterable[object] | Iterable[object],
        *,
        heartbeat: float | None = 15.0,
        status: int = 200,
        headers: HeadersInit = None,
    ) -> None:
        if heartbeat is not None and heartbeat <= 0:
            raise ValueError(f"the heartbeat is in seconds above 0, or None for none, not {heartbeat}")
        chunks = transform(items, lambda item: (item if isinstance(item, Event) else Event(item)).encode())
        if heartbeat is not None and isinstance(chunks, AsyncGenerator):
            chunks = _with_heartbeat(chunks, heartbeat)
        super().__init__(chunks, status, headers, "text/event-stream")
        self.headers.setdefault("cache-control", "no-store")
        self.headers.setdefault("x-accel-buffering", "no")  # nginx would hold events back until its buffer is full.


class JSONLinesResponse(StreamResponse):
    """A stream of JSON documents, one on each line (`application/jsonl`).

    Args:
        items: an iterable (each item taken in a thread) or asynchronous iterable of anything msgspec encodes.
    """

    __slots__ = ()

    def __init__(self, items: AsyncIterable[object] | Iterable[object], *, status: int = 200, headers: HeadersInit = None) -> None:
        super().__init__(transform(items, lambda item: encode_json(item) + b"\n"), status, headers, "application/jsonl")


_BREAK = re.compile(r"\r\n|\r|\n").split
_NO_LINE = re.compile(r"[\r\n\x00]").search


async def _with_heartbeat(chunks: AsyncGenerator[bytes], seconds: float) -> AsyncGenerator[bytes]:
    # The items are taken by one task from beginning to end, because a source may hold what belongs to a task (a timeout, a task
    # group, a context variable) from one item to the next. The heartbeat waits on the queue, never on the source, so that it
    # cancels nothing; the source goes on only when its last item was taken, so that none is lost and none waits in memory.
    import asyncio

    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    closing = False

    async def take() -> None:
        try:
            async for chunk in chunks:
                if closing:
                    break
                queue.put_nowait(chunk)
                await queue.join()
        finally:
            await chunks.aclose()

    task = asyncio.ensure_future(take())
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while True:
            try:
                async with asyncio.timeout(seconds):
                    taken = await queue.get()
            except TimeoutError:
                yield b":\n\n"
                continue
            if taken is None:
                break
            yield taken
            queue.task_done()
        task.result()  # Raises what the source raised.
    finally:
        closing = True
        task.cancel()
        # What it raised was raised above, or the client has gone and nobody is left to tell.
        await asyncio.gather(task, return_exceptions=True)
