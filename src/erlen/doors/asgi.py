"""The ASGI door (ASGI 3.0, HTTP spec 2.5, lifespan 2.0): the complete one; for uvicorn, hypercorn, granian and mounting."""

from __future__ import annotations

from asyncio import Event, Lock, create_task
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextvars import copy_context
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from erlen.doors.after import run_work
from erlen.doors.chunk import as_bytes
from erlen.doors.door import CLOSE, Door, DoorRequest, incomplete, several_hosts
from erlen.doors.headers import BODILESS, BytePairs, as_byte_pairs
from erlen.doors.log import log_failure
from erlen.doors.protocol import Site
from erlen.doors.stream import discard_stream, send_stream
from erlen.errors import HeaderFieldsTooLarge, HTTPError, URITooLong
from erlen.http.limits import Limits
from erlen.http.request import active_request
from erlen.http.response import Response, StreamResponse

if TYPE_CHECKING:
    from erlen.http.file import FileResponse

__all__ = ["AsgiDoor", "AsgiRequest", "Message", "Receive", "Scope", "Send"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class AsgiRequest(DoorRequest, kw_only=True, eq=False, weakref=True):
    """A request that came through ASGI."""

    scope: Scope
    receive: Receive
    _incoming: _Incoming | None = None

    def header(self, name: str) -> str | None:
        # PERF: most requests read one to three fields; walking the list is cheaper than making a dictionary of it.
        wanted = name.encode("latin-1")
        if name == "cookie":  # browsers split it over HTTP/2 (RFC 9113, section 8.2.3)
            return "; ".join(value.decode("latin-1") for key, value in self.scope["headers"] if key == wanted) or None
        for key, value in self.scope["headers"]:
            if key == wanted:
                return value.decode("latin-1")  # type: ignore[no-any-return]
        return None

    def header_items(self) -> list[tuple[str, str]]:
        return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in self.scope["headers"]]

    @property
    def http_version(self) -> str:
        return "1.0" if self.scope["http_version"] == "1" else cast("str", self.scope["http_version"])

    @property
    def peer(self) -> str:
        client = self.scope.get("client")
        return client[0] if client and client[1] is not None else ""

    @property
    def wire_scheme(self) -> str:
        return self.scope.get("scheme", "http")  # type: ignore[no-any-return]

    @property
    def wire_host(self) -> str:
        """The host as sent: servers put HTTP/2's `:authority` in its place.

        Raises:
            BadRequest: if it was said more than once (RFC 9112, section 3.2).
        """
        hosts = [value for name, value in self.scope["headers"] if name == b"host"]
        if len(hosts) == 1:
            return hosts[0].decode("latin-1")  # type: ignore[no-any-return]
        if hosts:
            raise several_hosts()
        return ""

    @property
    def mount_path(self) -> str:
        return self.scope.get("root_path", "").rstrip("/")  # type: ignore[no-any-return]

    async def receive_all(self, limits: Limits, length: int | None) -> bytes:
        return b"".join([chunk async for chunk in self.receive_chunks(limits, length)])

    def receive_chunks(self, limits: Limits, length: int | None) -> AsyncIterator[bytes]:
        return self.read_parts(self._messages().next_part, limits, length)

    async def wait_disconnect(self) -> None:
        await self._messages().until_disconnect()

    def _messages(self) -> _Incoming:
        if self._incoming is None:
            self._incoming = _Incoming(self.receive)
        return self._incoming


class _Incoming:
    """What a request receives, shared by who reads its body and who waits for the client to leave: neither takes from the other."""

    __slots__ = ("_gone", "_kept", "_lock", "_read", "_receive", "_whole")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._lock = Lock()
        self._kept: deque[bytes] = deque()
        self._read = Event()
        self._whole = False
        self._gone = False

    async def next_part(self) -> tuple[bytes, bool]:
        """Return the next piece of the body, and whether more may follow.

        Raises:
            BadRequest: when the client has gone before that.
        """
        if self._is_empty():
            async with self._lock:
                # While this waited, who watches for the client may have taken the message for it.
                if self._is_empty():
                    await self._take()
        if self._kept:
            self._read.set()
            return self._kept.popleft(), not self._whole
        if not self._whole:
            raise incomplete()
        return b"", False

    async def until_disconnect(self) -> None:
        """Return once the client has gone. While a body waits to be read, what is behind it cannot be seen."""
        while not self._gone:
            self._read.clear()
            async with self._lock:
                if self._whole or self._is_empty():
                    await self._take()
            if self._kept and not self._whole:
                await self._read.wait()

    def _is_empty(self) -> bool:
        return not (self._kept or self._whole or self._gone)

    async def _take(self) -> None:
        if self._gone:
            return
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
        else:
            self._whole = not message.get("more_body", False)
            self._kept.append(message.get("body", b""))


class AsgiDoor(Door[tuple[bytes, bytes]]):
    """An ASGI application that serves a site."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, as_byte_pairs)
        self._dispatch = site.dispatch
        self._header_count = site.limits.header_count
        self._context = copy_context()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the site's lifespan."""
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        if getattr(active_request.get(None), "door", None) is self:
            # uvicorn starts the task of a request that was sent ahead in the context of the one before it, and so with its variables.
            await create_task(self(scope, receive, send), context=self._context.copy())
            return
        path = scope["path"]
        if (prefix := scope.get("root_path")) and path.startswith(prefix):
            path = _without_prefix(path, prefix.rstrip("/"))
        request = AsgiRequest(
            scope["method"], path, scope["query_string"].decode("latin-1"), self.site, scope=scope, receive=receive, door=self
        )
        refusal = self._refusal(request, scope["headers"])
        response = await self._dispatch(request) if refusal is None else self.site.refuse(request, refusal)
        secure = self._checks_scheme and (request.is_secure if self._trusts_proxies else scope.get("scheme") == "https")
        if response.kind == "body":
            body = response.body if type(response.body) is bytes else as_bytes(response.body)
            bodiless = request.method == "HEAD" or response.status in BODILESS
            # PERF: the commonest response; `_headers` is `own_headers` without the call of its property.
            shared = self._shared[secure].get(response.content_type) if response._headers is None and not bodiless else None
            if shared is not None:
                headers = [*shared, (b"content-length", b"%d" % len(body))]
            else:
                headers = self._lists.for_size(response, secure, len(body), request.method)
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if bodiless else body})
        else:
            await self._send_made(request, response, secure, send)
        if request.work_after is not None:
            await run_work(request, self.site.pool)

    def _refusal(self, request: AsgiRequest, headers: BytePairs) -> HTTPError | None:
        if len(request.path) + len(request.query_string) > self._target_size:
            return URITooLong(headers=CLOSE)
        # PERF: half the time of a loop.
        if len(headers) > self._header_count or sum(map(len, chain.from_iterable(headers))) > self.header_size:
            detail = f"More than {self._header_count} header fields, or more than {self.header_size} bytes of them."
            return HeaderFieldsTooLarge(detail, headers=CLOSE)
        return None

    async def _send_made(self, request: AsgiRequest, response: Response, secure: bool, send: Send) -> None:
        """Send a response whose body is made, or read from a file, while it is sent."""
        whole_file = None
        if response.kind == "file":
            from erlen.http.file import file_chunks

            file = cast("FileResponse", response)
            size = file.end - file.start
            headers = self._lists.for_size(file, secure, size)
            stream = StreamResponse(file_chunks(file.path, file.start, file.end), headers={"content-length": str(size)})
            if size == file.size and "http.response.pathsend" in request.scope.get("extensions", ()):
                whole_file = file.path
        else:
            stream = cast("StreamResponse", response)
            headers = self._lists.for_stream(stream, secure)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if request.method == "HEAD" or response.status in BODILESS:
            await discard_stream(stream, self.site.pool)
        elif whole_file is not None:
            await send({"type": "http.response.pathsend", "path": whole_file})
            return
        else:
            try:
                if not await send_stream(request, stream, self.site, lambda data: send(_part(data))):
                    return
            except Exception as error:
                # Raised on: a server that gets no last message breaks the connection off, and the client sees that a part is missing.
                log_failure("a stream failed", request, error)
                raise
        await send({"type": "http.response.body", "body": b""})

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _take_step("startup", self._lifespan.start, receive, send)
            await _take_step("shutdown", self._lifespan.stop, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1011, "reason": "No WebSocket is served here."})
        else:
            raise ValueError(f"an ASGI application of Erlen serves http and lifespan, not {scope['type']!r}")


def _part(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _take_step(name: str, step: Callable[[], Awaitable[None]], receive: Receive, send: Send) -> None:
    await receive()
    try:
        await step()
    except BaseException as error:
        await send({"type": f"lifespan.{name}.failed", "message": f"{type(error).__name__}: {error}"})
        raise
    await send({"type": f"lifespan.{name}.complete"})


def _without_prefix(path: str, prefix: str) -> str:
    rest = path[len(prefix) :]
    # A prefix ends where a segment does: `/app` is no prefix of `/apples`.
    return rest or "/" if not rest or rest[0] == "/" else path
