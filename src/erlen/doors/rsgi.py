"""The RSGI door (RSGI 1.6, granian's own interface): the fastest, and the default."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from erlen.doors.after import run_work
from erlen.doors.chunk import declared_length
from erlen.doors.deadline import Deadlines
from erlen.doors.headers import HeaderLists
from erlen.doors.log import log_failure
from erlen.doors.protocol import Site
from erlen.doors.stream import discard_stream, send_stream
from erlen.errors import BadRequest, ContentTooLarge, HeaderFieldsTooLarge, URITooLong
from erlen.http.request import Request
from erlen.http.response import Response, StreamResponse
from erlen.types import HeaderPairs

if TYPE_CHECKING:
    from erlen.http.file import FileResponse

__all__ = ["RsgiDoor", "RsgiExchange", "RsgiHeaders", "RsgiRequest", "RsgiScope", "RsgiTransport"]

Value = TypeVar("Value")


class RsgiRequest(Request, kw_only=True, eq=False, weakref=True):
    """A request that came through RSGI."""

    scope: RsgiScope
    proto: RsgiExchange
    door: RsgiDoor
    _wire: RsgiHeaders | None = None
    _refused: bool = False

    def header(self, name: str) -> str | None:
        """Return the first value of a header field; granian hides values that are not visible ASCII.

        Raises:
            HeaderFieldsTooLarge: once, when the value alone is over `limits.header_size`; after that it counts as absent.
        """
        wire = self._wire
        if wire is None:
            # PERF: granian copies all fields at each access of `scope.headers` (0.3 us for six).
            wire = self._wire = self.scope.headers
        value = wire.get(name)
        if value is not None and len(value) > self.door.header_size:
            self._refuse(f"The header field {name!r} has {len(value)} bytes; {self.door.header_size} are allowed.")
            return None
        return value

    def header_items(self) -> list[tuple[str, str]]:
        """Return all header fields.

        Raises:
            HeaderFieldsTooLarge: once, when they are over `limits.header_count` or `limits.header_size`.
        """
        items = self._fields().items()
        limits = self.context.limits
        if len(items) > limits.header_count or sum(len(name) + len(value) for name, value in items) > limits.header_size:
            self._refuse(f"More than {limits.header_count} header fields, or more than {limits.header_size} bytes of them.")
        return items

    @property
    def http_version(self) -> str:
        version = self.scope.http_version
        return "1.0" if version == "1" else version

    @property
    def peer(self) -> str:
        address = self.scope.client
        host, colon, port = address.rpartition(":")
        return host.strip("[]") if colon and port.isdigit() else ""

    @property
    def wire_scheme(self) -> str:
        return self.scope.scheme

    @property
    def wire_host(self) -> str:
        """The host as sent.

        Raises:
            BadRequest: if it was said more than once, or differently in the target and in `Host` (RFC 9112, section 3.2).
        """
        hosts = self._fields().get_all("host")
        authority = self.scope.authority
        if authority is None:
            if len(hosts) == 1:
                return hosts[0]
            if not hosts:
                return ""
        elif hosts in ([], [authority]):
            return authority
        raise BadRequest("The request names more than one host.", headers={"connection": "close"})

    @property
    def mount_path(self) -> str:
        return ""

    async def receive_all(self, limit: int) -> bytes:
        length = self.content_length
        if length is None:
            return b"".join([chunk async for chunk in self.receive_chunks(limit)])
        if length > limit:
            raise ContentTooLarge(f"The body has {length} bytes; {limit} are allowed.")
        if length == 0:
            return b""
        try:
            body = await self.door.deadlines.limit(self.proto(), self.limits.body_timeout)
        except RuntimeError:  # granian's errors, when the connection broke off
            body = b""
        if len(body) != length:
            raise _incomplete()
        return body

    async def receive_chunks(self, limit: int) -> AsyncIterator[bytes]:
        length = self.content_length
        patience = self.limits.body_timeout
        clock = get_running_loop().time
        received = empties = 0
        chunks = aiter(self.proto)
        while True:
            began = clock()
            try:
                chunk = await self.door.deadlines.limit(anext(chunks), patience)
            except StopAsyncIteration:
                break
            except RuntimeError:
                raise _incomplete() from None
            patience -= clock() - began
            if not chunk:
                empties += 1
                continue
            empties = 0
            received += len(chunk)
            if received > limit:
                raise ContentTooLarge(f"The body has more than {limit} bytes.")
            yield chunk
        # granian ends a body with one empty chunk, and puts another before it where the body broke off (or had trailer fields,
        # which nobody should send): only a declared length or this count tells a whole body from a part of one.
        if received != length if length is not None else empties > 1 and self.scope.http_version != "2":
            raise _incomplete()

    async def wait_disconnect(self) -> None:
        await self.proto.client_disconnect()

    def wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return self.door.site.pool.wait(coroutine)

    def _fields(self) -> RsgiHeaders:
        if self._wire is None:
            self._wire = self.scope.headers
        return self._wire

    def _refuse(self, detail: str) -> None:
        # Only once: the page that answers this reads header fields too.
        if not self._refused:
            self._refused = True
            raise HeaderFieldsTooLarge(detail, headers={"connection": "close"})


class RsgiDoor:
    """An RSGI application that serves a site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.deadlines = Deadlines()
        self.header_size = site.limits.header_size
        self._target_size = site.limits.target_size
        self._dispatch = site.dispatch
        self._lists = HeaderLists(site)
        self._shared = self._lists.shared
        self._checks_scheme = self._lists.depends_on_scheme
        self._trusts_proxies = site.trusts_proxies
        self._websocket: type[object] | None = None
        self._starting: object = None

    def __rsgi_init__(self, loop: AbstractEventLoop) -> None:
        """Start the site, once per worker, before the first request."""
        from granian.rsgi import WebsocketProtocol  # type: ignore[attr-defined]  # granian does not mark its re-exports

        self._websocket = WebsocketProtocol
        self.site.draining.watch_signals()
        if loop.is_running():  # granian's embedded server, which cannot wait for this
            self._starting = loop.create_task(self.site.startup())
        else:
            loop.run_until_complete(self.site.startup())

    def __rsgi_del__(self, loop: AbstractEventLoop) -> None:
        """Stop the site, after the last request."""
        self.site.draining.start()
        if loop.is_running():
            self._starting = loop.create_task(self.site.shutdown())
        else:
            loop.run_until_complete(self.site.shutdown())

    async def __rsgi__(self, scope: RsgiScope, proto: RsgiExchange) -> None:
        """Answer one request."""
        if proto.__class__ is self._websocket:
            cast("Any", proto).close(501)
            return
        request = RsgiRequest(scope.method, scope.path, scope.query_string, self.site, scope=scope, proto=proto, door=self)
        if len(request.path) + len(request.query_string) > self._target_size:
            response = self.site.refuse(request, URITooLong(headers={"connection": "close"}))
        else:
            response = await self._dispatch(request)
        # PERF: the commonest response is written here; `_headers` is `own_headers` without the call of its property.
        body = response.body
        if response._headers is None and response.kind == "body" and type(body) is bytes and request.method != "HEAD":
            secure = self._checks_scheme and (request.is_secure if self._trusts_proxies else scope.scheme == "https")
            headers = self._shared[secure].get(response.content_type)
            if headers is not None:
                proto.response_bytes(response.status, headers, body)
                if request.work_after is not None:
                    await run_work(request, self.site.pool)
                return
        await self._write(request, response)
        if request.work_after is not None:
            await run_work(request, self.site.pool)

    async def _write(self, request: RsgiRequest, response: Response) -> None:
        secure = self._checks_scheme and (request.is_secure if self._trusts_proxies else request.scope.scheme == "https")
        if response.kind == "body":
            self._write_body(request, response, secure)
        elif response.kind == "file":
            self._write_file(request, cast("FileResponse", response), secure)
        else:
            await self._write_stream(request, cast("StreamResponse", response), self._lists.for_stream(response, secure))

    def _write_body(self, request: RsgiRequest, response: Response, secure: bool) -> None:
        body = response.body.encode("utf-8", "replace") if isinstance(response.body, str) else bytes(response.body)
        if request.method != "HEAD":
            request.proto.response_bytes(response.status, self._lists.for_response(response, secure), body)
            return
        # A HEAD response says the length that GET has, or none (RFC 9110, section 8.6).
        headers = self._lists.for_size(response, secure, len(body)) if body else self._lists.for_stream(response, secure)
        self._write_head(request, response, headers)

    def _write_head(self, request: RsgiRequest, response: Response, headers: HeaderPairs) -> None:
        # A stream that ends at once: granian measures an empty body, and over HTTP/2 sends a body that HEAD must not have.
        request.proto.response_stream(response.status, headers)

    def _write_file(self, request: RsgiRequest, response: FileResponse, secure: bool) -> None:
        start, end = response.start, response.end
        headers = self._lists.for_size(response, secure, end - start)
        if request.method == "HEAD":
            self._write_head(request, response, headers)
        elif start == 0 and end == response.size:
            request.proto.response_file(response.status, headers, response.path)
        else:
            request.proto.response_file_range(response.status, headers, response.path, start, end)

    async def _write_stream(self, request: RsgiRequest, response: StreamResponse, headers: HeaderPairs) -> None:
        if request.method == "HEAD" or response.status in (204, 304):
            self._write_head(request, response, headers)
            await discard_stream(response, self.site.pool)
            return
        transport = request.proto.response_stream(response.status, headers)
        try:
            await send_stream(
                response,
                send=transport.send_bytes,
                disconnected=request.wait_disconnect,
                pool=self.site.pool,
                draining=self.site.draining,
            )
        except Exception as error:
            if type(error).__name__ == "RSGIProtocolClosed":  # granian's, and not exported under a stable name
                return  # the client left between two chunks
            # RSGI has no way to break off: with a Content-Length the client sees the difference, without one a clean end.
            cut = "" if declared_length(response) is not None else " (the client sees an end, not an error: RSGI cannot break off)"
            log_failure("a stream failed" + cut, request, error)


class RsgiHeaders(Protocol):
    """Header fields as granian gives them (names in lower case)."""

    def get(self, name: str) -> str | None: ...
    def get_all(self, name: str) -> list[str]: ...
    def items(self) -> list[tuple[str, str]]: ...


class RsgiScope(Protocol):
    """What RSGI says of a request; each attribute is made anew when it is read."""

    @property
    def http_version(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def authority(self) -> str | None: ...
    @property
    def headers(self) -> RsgiHeaders: ...


class RsgiTransport(Protocol):
    """The body of a response that is streamed; it ends when this is dropped."""

    async def send_bytes(self, data: bytes) -> None: ...


class RsgiExchange(Protocol):
    """The two directions of a request (granian's `HTTPProtocol`)."""

    def __call__(self) -> Awaitable[bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def client_disconnect(self) -> Awaitable[None]: ...
    def response_bytes(self, status: int, headers: HeaderPairs, body: bytes) -> None: ...
    def response_file(self, status: int, headers: HeaderPairs, file: str) -> None: ...
    def response_file_range(self, status: int, headers: HeaderPairs, file: str, start: int, end: int) -> None: ...
    def response_stream(self, status: int, headers: HeaderPairs) -> RsgiTransport: ...


def _incomplete() -> BadRequest:
    return BadRequest("The body broke off, or is not framed as HTTP asks.", headers={"connection": "close"})
