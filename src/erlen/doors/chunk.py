"""The pieces of a streamed body: how they are made, and the length they must add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextvars import Context
from typing import Generic, TypeVar

from erlen.errors import ErlenError
from erlen.http.response import Response

__all__ = ["BrokenStream", "InContext", "Measure", "as_bytes", "is_event_stream"]

Item = TypeVar("Item")
Default = TypeVar("Default")


class BrokenStream(ErlenError):
    """A stream that does not have the length it declared."""


class Measure:
    """Holds a stream to its declared length; a longer one could pass for the next response (RFC 9112, section 6.3)."""

    def __init__(self, response: Response) -> None:
        headers = response.own_headers if response.kind == "stream" else None
        value = None if headers is None else headers.get("content-length")
        self.declared = int(value) if value is not None and value.isascii() and value.isdigit() else None
        """The Content-Length that a stream's own fields declare, or None."""
        self._sent = 0

    def take(self, chunk: object) -> bytes:
        """Return a chunk as bytes.

        Raises:
            BrokenStream: if it makes the stream longer than declared.
            TypeError: if it is neither bytes nor text.
        """
        data = as_bytes(chunk)
        self._sent += len(data)
        if self.declared is not None and self._sent > self.declared:
            raise BrokenStream(f"the stream is longer than its Content-Length of {self.declared} bytes")
        return data

    def end(self) -> None:
        """Look at the length of the whole.

        Raises:
            BrokenStream: if it is shorter than declared.
        """
        if self.declared is not None and self._sent < self.declared:
            raise BrokenStream(f"the stream ended after {self._sent} bytes; its Content-Length is {self.declared}")


class InContext(Generic[Item]):
    """Items that are all made in one context, and can be closed even when none was asked for, as WSGI asks."""

    def __init__(self, items: Iterable[Item], context: Context) -> None:
        self._items = items
        self._iterator: Iterator[Item] | None = None
        self._context = context

    def step(self, default: Default) -> Item | Default:
        """Return the next item, or `default` after the last."""
        return self._context.run(self._next, default)

    def close(self) -> None:
        """Close the generator, or whatever it is that has a `close`."""
        for target in (self._iterator, self._items):
            close = getattr(target, "close", None)
            if close is not None:
                self._context.run(close)
                return

    def _next(self, default: Default) -> Item | Default:
        if self._iterator is None:
            self._iterator = iter(self._items)
        return next(self._iterator, default)


def as_bytes(chunk: object) -> bytes:
    """Return a chunk of a stream as bytes; text in UTF-8.

    Raises:
        TypeError: if it is neither bytes nor text.
    """
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, str):
        return chunk.encode("utf-8", "replace")
    if isinstance(chunk, (bytearray, memoryview)):
        return bytes(chunk)
    raise TypeError(f"a stream yields bytes or text, not {type(chunk).__name__}: encode it first")


def is_event_stream(response: Response) -> bool:
    """Return whether a response is a stream of server-sent events, which may end at any time: clients connect again."""
    return (response.content_type or "").startswith("text/event-stream")
