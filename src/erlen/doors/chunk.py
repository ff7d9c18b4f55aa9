"""The pieces of a streamed body, and the length they must add up to."""

from __future__ import annotations

from erlen.errors import ErlenError
from erlen.http.response import StreamResponse

__all__ = ["BrokenStream", "as_bytes", "check_length", "declared_length"]


class BrokenStream(ErlenError):
    """A stream that does not have the length it declared."""


def declared_length(response: StreamResponse) -> int | None:
    """Return the Content-Length that the response's own fields declare, or None."""
    headers = response.own_headers
    value = None if headers is None else headers.get("content-length")
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


def check_length(sent: int, length: int | None, *, ended: bool) -> None:
    """Hold a stream to its declared length; a longer one could pass for the next response (RFC 9112, section 6.3).

    Raises:
        BrokenStream: if `sent` bytes are more than that, or fewer at the end.
    """
    if length is not None and sent > length:
        raise BrokenStream(f"the stream is longer than its Content-Length of {length} bytes")
    if length is not None and ended and sent < length:
        raise BrokenStream(f"the stream ended after {sent} bytes; its Content-Length is {length}")


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
