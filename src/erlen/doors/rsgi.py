"""The RSGI door (RSGI 1.6, granian's own interface): the fastest, and the default."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

from erlen.doors.after import run_work
from erlen.doors.chunk import as_bytes
from erlen.doors.door import CLOSE, Door, DoorRequest, incomplete, several_hosts
from erlen.doors.headers import BODILESS, as_text_pairs
from erlen.doors.log import log_failure
from erlen.doors.protocol import Site
from erlen.doors.stream import discard_stream, send_stream
from erlen.errors import URITooLong
from erlen.http.limits import Limits
from erlen.http.response import VARIES, Response, StreamResponse

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # granian does not mark its re-exports

    from erlen.http.file import FileResponse

__all__ = ["RsgiDoor", "RsgiRequest"]


class RsgiRequest(DoorRequest, kw_only=True, eq=False, weakref=True):
    """A request that came through RSGI."""

    scope: Scope
    proto: HTTPProtocol
    _wire: Any = None
    # PERF: granian copies all fields at each access of `scope.headers` (0.3 us for six).

    def header(self, name: str) -> str | None:
        """Return the first value of a header field; granian hides values that are not visible ASCII.

        Raises:
            HeaderFieldsTooLarge: once, when the value alone is over `limits.header_size`; after that it counts as absent.
        """
        wire: Any = self._wire
        if wire is None:
            wire = self._wire = self.scope.headers
        value: str | None = wire.get(name)
        if name == "cookie" and value is not None:
            value = "; ".join(wire.get_all(name))  # browsers split it over HTTP/2 (RFC 9113, section 8.2.3)
        if value is not None and len(value) > self.door.header_size:
            self.refuse_fields(f"The header field {name!r} has {len(value)} bytes; {self.door.header_size} are allowed.")
            return None
        return value

    def header_items(self) -> list[tuple[str, str]]:
        return self.bounded(self.scope.headers.items())

    @property
    def http_version(self) -> str:
        version = self.scope.http_version
        return "1.0" if version == "1" else version

    @property
    def peer(self) -> str:
        host, colon, port = self.scope.client.rpartition(":")
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
        wire: Any = self._wire
        if wire is None:
            wire = self._wire = self.scope.headers
        hosts = wire.get_all("host")
        authority = self.scope.authority
        if authority is None:
            if len(hosts) == 1:
                return hosts[0]  # type: ignore[no-any-return]
            if not hosts:
                return ""
        elif hosts in ([], [authority]):
            return authority
        raise several_hosts()

    @property
    def mount_path(self) -> str:
        return ""

    async def receive_all(self, limits: Limits, length: int | None) -> bytes:
        if length is None:
            return b"".join([chunk async for chunk in self.receive_chunks(limits, length)])
        if length == 0:
            return b""
        try:
            body: bytes = await self.door.deadlines.limit(self.proto(), limits.body_timeout)
        except RuntimeError:  # granian's errors, when the connection broke off
            body = b""
        if len(body) != length:
            raise incomplete()
        return body

    def receive_chunks(self, limits: Limits, length: int | None) -> AsyncIterator[bytes]:
        chunks = aiter(self.proto)
        empties = 0

        async def next_part() -> tuple[bytes, bool]:
            nonlocal empties
            try:
                chunk: bytes = await anext(chunks)
            except StopAsyncIteration:
                # granian ends a body with one empty chunk, and puts another before it where the body broke off (or had trailer
                # fields, which nobody should send): only a declared length or this count tells a whole body from a part of one.
                if empties > 1 and length is None and self.scope.http_version != "2":
                    raise incomplete() from None
                return b"", False
            except RuntimeError:
                raise incomplete() from None
            empties = 0 if chunk else empties + 1
            return chunk, True

        return self.read_parts(next_part, limits, length)

    async def wait_disconnect(self) -> None:
        await self.proto.client_disconnect()


class RsgiDoor(Door[tuple[str, str]]):
    """An RSGI application that serves a site."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, as_text_pairs)
        self._dispatch = site.dispatch
        self._websocket: type[object] | None = None

    def __rsgi_init__(self, loop: AbstractEventLoop) -> None:
        """Start the site, once per worker, before the first request."""
        from granian.rsgi import WebsocketProtocol  # type: ignore[attr-defined]

        self._websocket = WebsocketProtocol
        loop.run_until_complete(self._lifespan.start())

    def __rsgi_del__(self, loop: AbstractEventLoop) -> None:
        """Stop the site, after the last request."""
        loop.run_until_complete(self._lifespan.stop())

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer one request."""
        if proto.__class__ is self._websocket:
            cast("Any", proto).close(501)
            return
        request = RsgiRequest(scope.method, scope.path, scope.query_string, self.site, scope=scope, proto=proto, door=self)
        if len(request.path) + len(request.query_string) > self._target_size:
            response = self.site.refuse(request, URITooLong(headers=CLOSE))
        else:
            response = await self._dispatch(request)
        secure = self._checks_scheme and (request.is_secure if self._trusts_proxies else scope.scheme == "https")
        # PERF: the commonest response is written here; `_headers` is `own_headers` without the call of its property.
        own, shared = response._headers, None
        if (own is None or own is VARIES) and response.kind == "body" and request.method != "HEAD":
            shared = self._shared[secure].get(response.content_type if own is None else (response.content_type,))
        if shared is not None:
            body = response.body
            proto.response_bytes(response.status, shared, body if type(body) is bytes else as_bytes(body))
        else:
            await self._write(request, response, secure)
        if request.work_after is not None:
            await run_work(request, self.site.pool)

    async def _write(self, request: RsgiRequest, response: Response, secure: bool) -> None:
        if response.kind == "stream":
            await self._write_stream(request, cast("StreamResponse", response), secure)
        elif response.kind == "file":
            self._write_file(request, cast("FileResponse", response), secure)
        elif request.method == "HEAD":
            # A stream that ends at once: granian measures an empty body, and over HTTP/2 sends a body that HEAD must not have.
            headers = self._lists.for_size(response, secure, len(as_bytes(response.body)), "HEAD")
            request.proto.response_stream(response.status, headers)
        else:
            request.proto.response_bytes(response.status, self._lists.for_response(response, secure), as_bytes(response.body))

    def _write_file(self, request: RsgiRequest, response: FileResponse, secure: bool) -> None:
        start, end = response.start, response.end
        headers = self._lists.for_size(response, secure, end - start)
        if request.method == "HEAD":
            request.proto.response_stream(response.status, headers)
        elif start == 0 and end == response.size:
            request.proto.response_file(response.status, headers, response.path)
        else:
            request.proto.response_file_range(response.status, headers, response.path, start, end)

    async def _write_stream(self, request: RsgiRequest, response: StreamResponse, secure: bool) -> None:
        headers = self._lists.for_stream(response, secure)
        transport = request.proto.response_stream(response.status, headers)
        if request.method == "HEAD" or response.status in BODILESS:
            await discard_stream(response, self.site.pool)
            return
        try:
            await send_stream(request, response, self.site, transport.send_bytes)
        except Exception as error:
            if type(error).__name__ == "RSGIProtocolClosed":  # granian's, and not exported under a stable name
                return  # the client left between two chunks
            # RSGI has no way to break off: with a Content-Length the client sees the difference, without one a clean end.
            log_failure("a stream failed (RSGI cannot break off: without a Content-Length the client sees a clean end)", request, error)
