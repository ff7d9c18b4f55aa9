"""The response and its kinds: a body in memory, a file, a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Unpack

import msgspec

from erlen.http.headers import Headers
from erlen.http.request import Request
from erlen.types import HeadersInit

if TYPE_CHECKING:
    from erlen.http.cookies import CookieAttributes

__all__ = ["HTMLResponse", "JSONResponse", "RedirectResponse", "Response", "StreamResponse", "TextResponse"]

JSON = "application/json"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
OCTETS = "application/octet-stream"

Item = TypeVar("Item")

VARIES = Headers.trusted([("vary", "Accept-Encoding")])
"""The fields of a response that has no others, and that might have been compressed; not to be changed."""

encode_json = msgspec.json.Encoder().encode


class Response:
    """An HTTP response with its body in memory.

    Args:
        body: sent as it is; text is sent in UTF-8.
        status: the status code (200).
        headers: further header fields; one that the site adds by default is replaced, and dropped where the value is empty.
        content_type: by default `text/plain` for text, `application/octet-stream` for bytes, none for an empty body.
    """

    __slots__ = ("__weakref__", "_headers", "body", "content_type", "status")

    kind: ClassVar[Literal["body", "file", "stream"]] = "body"

    def __init__(self, body: bytes | str = b"", status: int = 200, headers: HeadersInit = None, content_type: str | None = None) -> None:
        self.body = body
        self.status = status
        self.content_type = content_type or (None if not body else TEXT if isinstance(body, str) else OCTETS)
        self._headers = None if headers is None else Headers(headers)

    @property
    def headers(self) -> Headers:
        """The header fields of this response alone; the site's defaults are added when it is written."""
        if self._headers is None:
            self._headers = Headers()
        return self._headers

    @property
    def own_headers(self) -> Headers | None:
        """`headers`, or None where nothing has touched them."""
        return self._headers

    def prepare(self, request: Request) -> Response:
        """Return what to write for this request: the response itself, or what its conditions and ranges make of it."""
        return self

    def set_cookie(self, name: str, value: str, **attributes: Unpack[CookieAttributes]) -> None:
        """Set a cookie (RFC 6265bis).

        Args:
            name: a token; `__Host-` and `__Secure-` prefixes are held to their rules.
            value: any text; what a cookie cannot hold is percent-encoded, and `request.cookies` decodes it.
            attributes: by name, as `format_cookie` takes them: `max_age` in seconds or `expires` (neither makes a session cookie),
                `path` (`/`), `domain` (only this host), `secure` (by default when the current request came over TLS), `httponly`
                (True), `samesite` (`lax`, `strict` or `none`) and `partitioned`.

        Raises:
            ValueError: on a name, path or domain that could break out of the header, or attributes that browsers refuse.
        """
        from erlen.http.cookies import format_cookie

        self.headers.add("set-cookie", format_cookie(name, value, **attributes))

    def delete_cookie(
        self, name: str, *, path: str = "/", domain: str | None = None, secure: bool | None = None, partitioned: bool = False
    ) -> None:
        """Make the browser forget a cookie; `path`, `domain` and `partitioned` must be those it was set with.

        Args:
            secure: as for `set_cookie`; by default True for the prefixes `__Secure-`, `__Host-` and `__Http-` and for a partitioned
                cookie, which browsers take in no other way.
        """
        if secure is None and (partitioned or name.lower().startswith(("__secure-", "__host-", "__http-"))):
            secure = True
        self.set_cookie(name, "", max_age=0, path=path, domain=domain, secure=secure, partitioned=partitioned)

    def cache(
        self,
        *,
        max_age: int | None = None,
        shared_max_age: int | None = None,
        private: bool = False,
        immutable: bool = False,
        must_revalidate: bool = False,
        stale_while_revalidate: int | None = None,
    ) -> None:
        """Say how long caches may keep this response (RFC 9111, RFC 8246, RFC 5861). Times are in seconds."""
        parts = ["private" if private else "public"]
        times = {"max-age": max_age, "s-maxage": shared_max_age, "stale-while-revalidate": stale_while_revalidate}
        parts += [f"{name}={seconds}" for name, seconds in times.items() if seconds is not None]
        flags = {"must-revalidate": must_revalidate, "immutable": immutable}
        parts += [name for name, is_set in flags.items() if is_set]
        self.headers["cache-control"] = ", ".join(parts)

    def no_store(self) -> None:
        """Forbid every cache to keep this response."""
        self.headers["cache-control"] = "no-store"

    def vary(self, *fields: str) -> None:
        """Name request fields on which this response depends (RFC 9110, section 12.5.5)."""
        self.headers.add_token("vary", *fields)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.content_type or ''}>"


class TextResponse(Response):
    """Plain text."""

    __slots__ = ()

    def __init__(self, text: str, status: int = 200, headers: HeadersInit = None) -> None:
        super().__init__(text, status, headers, TEXT)


class HTMLResponse(Response):
    """An HTML page. Escape what comes from outside: `markupsafe.escape`, or a template."""

    __slots__ = ()

    def __init__(self, html: str, status: int = 200, headers: HeadersInit = None) -> None:
        super().__init__(html, status, headers, HTML)


class JSONResponse(Response):
    """A JSON document (RFC 8259) of anything msgspec encodes; NaN and infinities become null."""

    __slots__ = ()

    def __init__(self, data: Any, status: int = 200, headers: HeadersInit = None, content_type: str = JSON) -> None:
        super().__init__(encode_json(data), status, headers, content_type)


class RedirectResponse(Response):
    """A redirect (RFC 9110, section 15.4). For a target that came from outside use `safe_redirect`."""

    __slots__ = ()

    def __init__(self, location: str, status: int = 302, headers: HeadersInit = None) -> None:
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"a redirect has status 301, 302, 303, 307 or 308, not {status}")
        from erlen.http.url import encode_location

        super().__init__(b"", status, headers)
        self.headers["location"] = encode_location(location)


class StreamResponse(Response):
    """A body that is made while it is sent.

    Args:
        chunks: an iterable (each item taken in a thread) or asynchronous iterable of bytes or text.
        content_type: `application/octet-stream` by default.
    """

    __slots__ = ("chunks",)

    kind = "stream"

    def __init__(
        self,
        chunks: AsyncIterable[bytes | str] | Iterable[bytes | str],
        status: int = 200,
        headers: HeadersInit = None,
        content_type: str = OCTETS,
    ) -> None:
        super().__init__(b"", status, headers, content_type)
        self.chunks = chunks


def transform(
    items: AsyncIterable[Item] | Iterable[Item], change: Callable[[Item], bytes], finish: Callable[[], bytes] = bytes
) -> AsyncGenerator[bytes] | Generator[bytes]:
    """Return a stream of what `change` makes of each item and `finish()` of the end, the empty left out.

    It is asynchronous where `items` is, and closes `items` when it is closed.
    """
    return _transform_async(items, change, finish) if isinstance(items, AsyncIterable) else _transform(items, change, finish)


def _transform(items: Iterable[Item], change: Callable[[Item], bytes], finish: Callable[[], bytes]) -> Generator[bytes]:
    try:
        yield from filter(None, map(change, items))
        if data := finish():
            yield data
    finally:
        if (close := getattr(items, "close", None)) is not None:
            close()


async def _transform_async(
    items: AsyncIterable[Item], change: Callable[[Item], bytes], finish: Callable[[], bytes]
) -> AsyncGenerator[bytes]:
    try:
        async for item in items:
            if data := change(item):
                yield data
        if data := finish():
            yield data
    finally:
        if (aclose := getattr(items, "aclose", None)) is not None:
            await aclose()
