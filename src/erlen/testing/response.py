"""Responses as a client sees them: whole, or while they arrive."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any

import msgspec

from erlen.errors import reason_phrase
from erlen.http.cookies import parse_cookies
from erlen.http.headers import Headers
from erlen.http.url import URL
from erlen.testing.event import EventReader, LineReader, ServerEvent

__all__ = ["AsyncStreamedResponse", "ResponseHead", "StreamedResponse", "TestResponse"]


class ResponseHead:
    """Status and header fields of a response, and how it came about."""

    def __init__(self, method: str, url: URL, status: int, headers: Headers, history: list[TestResponse]) -> None:
        self.method = method
        self.url = url
        """What was asked for, after redirects."""
        self.status = status
        self.headers = headers
        self.history = history
        """The redirects that led here, the first one first."""

    @property
    def ok(self) -> bool:
        """Whether the status is from 200 to 299."""
        return 200 <= self.status <= 299

    @property
    def reason(self) -> str:
        """The status phrase, such as `Not Found`."""
        return reason_phrase(self.status)

    @property
    def media_type(self) -> str:
        """The type of the body in lower case, without parameters; empty when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset that the content type says; UTF-8 where it says none that Python knows."""
        for parameter in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                try:
                    return codecs.lookup(value.strip().strip('"')).name
                except LookupError:
                    break
        return "utf-8"

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that this response sets, decoded; those that it deletes are empty. Attributes are in `headers`."""
        pairs = (text.partition(";")[0] for text in self.headers.getlist("set-cookie"))
        return {name: value for pair in pairs for name, value in parse_cookies(pair).items()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.media_type or 'without type'}>"


class TestResponse(ResponseHead):
    """A response that has arrived."""

    __test__ = False  # pytest collects classes by this prefix

    def __init__(self, method: str, url: URL, status: int, headers: Headers, history: list[TestResponse], content: bytes) -> None:
        super().__init__(method, url, status, headers, history)
        self.content = content
        """The body as it was sent: compressed where the test's `accept-encoding` asked for it."""

    @property
    def text(self) -> str:
        """The body as text; what its charset cannot decode becomes U+FFFD."""
        return self.content.decode(self.charset, "replace")

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises:
            ValueError: if it is none, showing what it is.
        """
        try:
            return msgspec.json.decode(self.content)
        except msgspec.DecodeError as error:
            raise ValueError(f"the body of {self!r} is not JSON: {error}") from None

    def __repr__(self) -> str:
        parts = ["TestResponse", str(self.status)]
        if self.media_type:
            parts.append(self.media_type)
        if "location" in self.headers:
            parts.append(f"→ {self.headers['location']}")
        more = "…" if len(self.text) > _SHOWN else ""
        parts.append(f"{self.text[:_SHOWN]!r}{more}" if self.content else "without body")
        return f"<{' '.join(parts)}>"


class StreamedResponse(ResponseHead):
    """A response whose body is still being made. What was read once does not come again; read it in one of the ways."""

    def __init__(
        self, method: str, url: URL, status: int, headers: Headers, history: list[TestResponse], next_chunk: Callable[[], bytes | None]
    ) -> None:
        super().__init__(method, url, status, headers, history)
        self._next_chunk = next_chunk
        self._lines = LineReader()
        self._events = EventReader()

    def read(self) -> bytes:
        """Read what is left of the body."""
        return b"".join(self.iter_bytes())

    def iter_bytes(self) -> Iterator[bytes]:
        """The pieces of the body, as the application sends them."""
        while (chunk := self._next_chunk()) is not None:
            yield chunk

    def iter_lines(self) -> Iterator[str]:
        """The lines of the body, without their ends, each as soon as it is complete."""
        lines = self._lines.lines
        ended = False
        while lines or not ended:
            if lines:
                yield lines.popleft()
                continue
            chunk = self._next_chunk()
            ended = chunk is None
            self._lines.feed(chunk or b"", final=ended)

    def iter_events(self) -> Iterator[ServerEvent]:
        """The server-sent events in the body, each as soon as it is complete."""
        for line in self.iter_lines():
            event = self._events.feed(line)
            if event is not None:
                yield event


class AsyncStreamedResponse(ResponseHead):
    """`StreamedResponse` for `async def` tests: the same names, to be awaited."""

    def __init__(
        self,
        method: str,
        url: URL,
        status: int,
        headers: Headers,
        history: list[TestResponse],
        next_chunk: Callable[[], Coroutine[Any, Any, bytes | None]],
    ) -> None:
        super().__init__(method, url, status, headers, history)
        self._next_chunk = next_chunk
        self._lines = LineReader()
        self._events = EventReader()

    async def read(self) -> bytes:
        """Read what is left of the body."""
        return b"".join([chunk async for chunk in self.iter_bytes()])

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The pieces of the body, as the application sends them."""
        while (chunk := await self._next_chunk()) is not None:
            yield chunk

    async def iter_lines(self) -> AsyncIterator[str]:
        """The lines of the body, without their ends, each as soon as it is complete."""
        lines = self._lines.lines
        ended = False
        while lines or not ended:
            if lines:
                yield lines.popleft()
                continue
            chunk = await self._next_chunk()
            ended = chunk is None
            self._lines.feed(chunk or b"", final=ended)

    async def iter_events(self) -> AsyncIterator[ServerEvent]:
        """The server-sent events in the body, each as soon as it is complete."""
        async for line in self.iter_lines():
            event = self._events.feed(line)
            if event is not None:
                yield event


_SHOWN = 120
