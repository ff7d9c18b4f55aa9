"""Requests for unit tests of functions that take one, without a server."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, Unpack
from urllib.parse import unquote

from erlen.app.site import Site
from erlen.drive import drive
from erlen.errors import BadRequest, ContentTooLarge
from erlen.http.limits import Limits
from erlen.http.request import Request, active_request
from erlen.http.response import Response
from erlen.testing.cookies import cookie_field
from erlen.testing.outgoing import Outgoing, RequestHeaders, RequestOptions, header_pairs, parts_of, prepare, read_base
from erlen.testing.site import freeze_for_test
from erlen.testing.verbs import Verbs
from erlen.types import HeaderPairs

if TYPE_CHECKING:
    from erlen.app.application import App

__all__ = ["FactoryRequest", "RequestFactory", "finish"]

Value = TypeVar("Value")


class RequestFactory(Verbs[Request]):
    """Makes requests as a door would, for a function that takes one.

    No route is matched: `request.route` is None, `request.path_params` is empty. Cookies, session, form, limits and URLs are the site's.

    Args:
        app: the application, which is frozen with a `secret_key` of its own if it has none; or a site.
        overrides: as for `App.freeze`.
        base_url: scheme and host of the requests.
        headers: sent with each.
    """

    def __init__(
        self,
        app: App | Site,
        *,
        overrides: Mapping[Any, Any] | None = None,
        base_url: str = "http://localhost",
        headers: RequestHeaders = None,
    ) -> None:
        self.site = freeze_for_test(app, overrides)
        self._base = read_base(base_url)
        self._headers = header_pairs(headers)

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Request:
        """Make a request; the keywords are those of `Client.request`.

        Raises:
            TypeError: if the content is asynchronous.
        """
        outgoing = prepare(self._base, self._headers, method, path, **parts_of(options))
        if outgoing.cookies:
            outgoing.headers.append(("cookie", cookie_field(outgoing.cookies)))
        return FactoryRequest.of(outgoing, self.site)

    @contextmanager
    def active(self, request: Request) -> Generator[Request]:
        """Make it the current request: `current_request()`, `url_for`, `flash` and the like find it."""
        token = active_request.set(request)
        try:
            yield request
        finally:
            active_request.reset(token)


class FactoryRequest(Request, kw_only=True, eq=False, weakref=True):
    """A request that came through no door; its body is in memory."""

    fields: HeaderPairs
    wire: str
    authority: str
    content: bytes

    @classmethod
    def of(cls, outgoing: Outgoing, site: Site) -> FactoryRequest:
        """Make one of what a client would send."""
        raw_path, query_string = outgoing.target
        pieces = outgoing.pieces
        if isinstance(pieces, AsyncIterable):
            raise TypeError("a request without a server has its body in memory: give the content as bytes or an iterable")
        host = next((value for name, value in outgoing.headers if name == "host"), "")
        return cls(
            outgoing.method,
            unquote(raw_path),
            query_string,
            site,
            fields=outgoing.headers,
            wire=outgoing.url.scheme,
            authority=host,
            content=b"".join(pieces),
        )

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)

    def header_items(self) -> list[tuple[str, str]]:
        return list(self.fields)

    @property
    def http_version(self) -> str:
        return "1.1"

    @property
    def peer(self) -> str:
        return "127.0.0.1"

    @property
    def wire_scheme(self) -> str:
        return self.wire

    @property
    def wire_host(self) -> str:
        return self.authority

    @property
    def mount_path(self) -> str:
        return ""

    async def receive_all(self, limits: Limits, length: int | None) -> bytes:
        if len(self.content) > limits.body_size:
            raise ContentTooLarge(f"The body has {len(self.content)} bytes; {limits.body_size} are allowed.")
        if length is not None and length != len(self.content):
            raise BadRequest("The body is not as long as its Content-Length says.")
        return self.content

    async def receive_chunks(self, limits: Limits, length: int | None) -> AsyncIterator[bytes]:
        content = await self.receive_all(limits, length)
        if content:
            yield content

    async def wait_disconnect(self) -> None:
        from asyncio import get_running_loop

        await get_running_loop().create_future()

    def wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine to its end: on a loop of its own, or within a running one if it never suspends."""
        import asyncio

        return drive(coroutine) if asyncio._get_running_loop() is not None else asyncio.run(coroutine)


def finish(request: Request) -> Response:
    """Return an empty response with what the request leaves on it, such as the cookie of a session that has changed."""
    response = Response()
    while request.finishers:
        request.finishers.pop()(request, response)
    return response
