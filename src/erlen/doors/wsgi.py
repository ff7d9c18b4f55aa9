"""The WSGI door (PEP 3333): `def` handlers run in the server's own threads, without a hop."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextvars import Context, copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from erlen.doors.after import run_work_in_thread
from erlen.doors.chunk import as_bytes, check_length, declared_length
from erlen.doors.headers import HeaderLists
from erlen.doors.log import log_failure
from erlen.doors.pool import BackgroundLoop
from erlen.doors.protocol import Site
from erlen.drive import SUSPENDED, drive
from erlen.errors import BadRequest, ContentTooLarge, HeaderFieldsTooLarge, RequestTimeout, URITooLong, reason_phrase
from erlen.http.request import Request
from erlen.http.response import Response, StreamResponse
from erlen.types import HeaderPairs

if TYPE_CHECKING:
    from erlen.http.file import FileResponse
    from erlen.http.form import FormData

__all__ = ["Environ", "StartResponse", "WsgiDoor", "WsgiRequest"]

Value = TypeVar("Value")
Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., object]

CHUNK = 64 * 1024


class WsgiRequest(Request, kw_only=True, eq=False, weakref=True):
    """A request that came through WSGI.

    WSGI leaves some things to what stands in front, which should be a buffering proxy: a body that stalls keeps its thread, a chunked
    body that breaks off looks whole on granian, a client that has left goes unnoticed, and `X_Name` and `X-Name` are one field (nginx
    drops the former).
    """

    environ: Environ
    door: WsgiDoor
    _refused: bool = False

    def header(self, name: str) -> str | None:
        """Return a header field; servers join repeated ones.

        Raises:
            HeaderFieldsTooLarge: once, when the value is over `limits.header_size`; after that it counts as absent.
        """
        key = name.upper().replace("-", "_")
        value: str | None = self.environ.get(key if key in UNPREFIXED else "HTTP_" + key)
        if not value:
            # CONTENT_TYPE and CONTENT_LENGTH may be there and empty.
            return None if key in UNPREFIXED else value
        if len(value) > self.door.header_size:
            self._refuse(f"The header field {name!r} has {len(value)} bytes; {self.door.header_size} are allowed.")
            return None
        return value

    def header_items(self) -> list[tuple[str, str]]:
        items = [(key[5:].replace("_", "-").lower(), value) for key, value in self.environ.items() if key.startswith("HTTP_")]
        items += [(key.replace("_", "-").lower(), self.environ[key]) for key in UNPREFIXED if self.environ.get(key)]
        limits = self.context.limits
        if len(items) > limits.header_count or sum(len(name) + len(value) for name, value in items) > limits.header_size:
            self._refuse(f"More than {limits.header_count} header fields, or more than {limits.header_size} bytes of them.")
        return items

    @property
    def http_version(self) -> str:
        version: str = self.environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/")
        return {"2.0": "2", "1": "1.0"}.get(version, version)

    @property
    def peer(self) -> str:
        return self.environ.get("REMOTE_ADDR", "")  # type: ignore[no-any-return]

    @property
    def wire_scheme(self) -> str:
        return self.environ["wsgi.url_scheme"]  # type: ignore[no-any-return]

    @property
    def wire_host(self) -> str:
        """The host as sent.

        Raises:
            BadRequest: if it was said more than once, which servers show as a list (RFC 9112, section 3.2).
        """
        host: str = self.environ.get("HTTP_HOST", "")
        if "," in host:
            raise BadRequest("The request names more than one host.", headers={"connection": "close"})
        return host

    @property
    def mount_path(self) -> str:
        return _decode(self.environ.get("SCRIPT_NAME", "")).rstrip("/")

    async def receive_all(self, limit: int) -> bytes:
        if _on_loop():
            return await self.door.site.pool.call(self._read_all, limit)
        return self._read_all(limit)

    async def receive_chunks(self, limit: int) -> AsyncIterator[bytes]:
        chunks = self._read(limit)
        if _on_loop():
            async for chunk in self.door.site.pool.iterate(chunks):
                yield chunk
        else:
            for chunk in chunks:
                yield chunk

    async def wait_disconnect(self) -> None:
        from asyncio import get_running_loop

        await get_running_loop().create_future()

    def wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return self.door.background.run(coroutine)

    def read_body(self) -> bytes:
        return drive(self.body())

    def read_form(self) -> FormData:
        return drive(self.form())

    def _read_all(self, limit: int) -> bytes:
        return b"".join(self._read(limit))

    def _read(self, limit: int) -> Iterator[bytes]:
        length = self.content_length
        if length is None and not self.environ.get("wsgi.input_terminated"):
            return  # PEP 3333: without a length, and where nothing says that the input ends by itself, there is no body
        if length is not None and length > limit:
            raise ContentTooLarge(f"The body has {length} bytes; {limit} are allowed.")
        read = self.environ["wsgi.input"].read
        end = monotonic() + self.limits.body_timeout
        received = 0
        while length is None or received < length:
            try:
                chunk = read(CHUNK if length is None else min(CHUNK, length - received))
            except (OSError, RuntimeError, ValueError):  # what servers raise for a connection that broke off, or bad framing
                raise _incomplete() from None
            if not chunk:
                break
            received += len(chunk)
            if received > limit:
                raise ContentTooLarge(f"The body has more than {limit} bytes.")
            if monotonic() > end:
                raise RequestTimeout
            yield chunk
        if length is not None and received < length:
            raise _incomplete()

    def _refuse(self, detail: str) -> None:
        # Only once: the page that answers this reads header fields too.
        if not self._refused:
            self._refused = True
            raise HeaderFieldsTooLarge(detail, headers={"connection": "close"})


class WsgiDoor:
    """A WSGI application that serves a site whose handlers are all `def`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.background = site.background
        self.header_size = site.limits.header_size
        self._target_size = site.limits.target_size
        self._dispatch = site.dispatch_in_thread
        self._lists = HeaderLists(site)
        self._shared = self._lists.shared
        self._checks_scheme = self._lists.depends_on_scheme
        self._trusts_proxies = site.trusts_proxies
        self._status_lines: dict[int, str] = {}
        self._lock = threading.Lock()
        self._started = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if not self._started:
            self.startup()
        request = WsgiRequest(
            environ["REQUEST_METHOD"],
            _decode(environ.get("PATH_INFO", "")) or "/",
            environ.get("QUERY_STRING", ""),
            self.site,
            environ=environ,
            door=self,
        )
        # A variable set in one request must never be seen by the next one on this thread.
        context = copy_context()
        if len(request.path) + len(request.query_string) > self._target_size:
            response = self.site.refuse(request, URITooLong(headers={"connection": "close"}))
        else:
            coroutine = self._dispatch(request)
            try:
                context.run(coroutine.send, None)
            except StopIteration as stop:
                response = stop.value
            else:
                coroutine.close()
                raise RuntimeError(SUSPENDED)
        # PERF: the commonest response: a shared list, and granian measures the body itself.
        if response._headers is None and response.kind == "body" and request.work_after is None and response.status == 200:
            secure = self._checks_scheme and (request.is_secure if self._trusts_proxies else environ["wsgi.url_scheme"] == "https")
            headers = self._shared[secure].get(response.content_type)
            body = response.body
            if headers is not None and type(body) is bytes and request.method != "HEAD" and environ.get("SERVER_SOFTWARE") == "Granian":
                start_response("200 OK", headers)
                return [body]
        return self._respond(request, response, context, start_response)

    def startup(self) -> None:
        """Start the site, unless it is started; the first request does it where the host does not."""
        with self._lock:
            if self._started:
                return
            self.background.run(self.site.startup())
            self._started = True
        _at_exit(self.shutdown)

    def shutdown(self) -> None:
        """Stop the site, if it is started."""
        with self._lock:
            if not self._started:
                return
            self._started = False
        self.site.draining.start()
        self.background.run(self.site.shutdown())

    def _respond(self, request: WsgiRequest, response: Response, context: Context, start_response: StartResponse) -> Iterable[bytes]:
        secure = self._checks_scheme and (request.is_secure if self._trusts_proxies else request.wire_scheme == "https")
        body: Iterable[bytes]
        if response.kind == "body":
            data = response.body.encode("utf-8", "replace") if isinstance(response.body, str) else bytes(response.body)
            if not data and request.method == "HEAD":
                headers = self._lists.for_stream(response, secure)
            elif response.status in BODILESS:
                headers = self._lists.for_response(response, secure)
            else:
                headers = self._lists.for_size(response, secure, len(data))
            body = [data]
        elif response.kind == "file":
            file = cast("FileResponse", response)
            headers = self._lists.for_size(file, secure, file.end - file.start)
            body = self._file_body(request, file)
        else:
            stream = cast("StreamResponse", response)
            headers = self._lists.for_stream(stream, secure)
            body = _StreamBody(self, request, stream, context)
        start_response(self._status_line(response.status), self._sendable(request, headers))
        if request.method == "HEAD" or response.status in BODILESS:
            _close(body)
            body = []
        if request.work_after is not None:
            body = _WorkingBody(self, request, body, context)
        return body

    def _file_body(self, request: WsgiRequest, response: FileResponse) -> Iterable[bytes]:
        wrapper = request.environ.get("wsgi.file_wrapper")
        whole = response.end - response.start == response.size
        if wrapper is not None and whole and request.method != "HEAD" and request.work_after is None:
            return wrapper(open(response.path, "rb"), CHUNK)  # type: ignore[no-any-return]  # the server closes it
        from erlen.http.file import file_chunks

        return cast("Iterable[bytes]", file_chunks(response.path, response.start, response.end))

    def _status_line(self, status: int) -> str:
        line = self._status_lines.get(status)
        if line is None:
            line = self._status_lines[status] = f"{status} {reason_phrase(status)}"
        return line

    def _sendable(self, request: WsgiRequest, headers: HeaderPairs) -> HeaderPairs:
        # PEP 3333 keeps hop-by-hop fields from applications; granian lets them through, and has no other way to close.
        if request.environ.get("SERVER_SOFTWARE") == "Granian":
            return headers
        return [pair for pair in headers if pair[0] not in HOP_BY_HOP]


class _StreamBody:
    """The chunks of a stream, made in the context of its request."""

    def __init__(self, door: WsgiDoor, request: WsgiRequest, response: StreamResponse, context: Context) -> None:
        chunks = response.chunks
        self._items: Iterable[bytes | str] = _on_background(chunks, door.background) if isinstance(chunks, AsyncIterable) else chunks
        self._iterator: Iterator[bytes | str] | None = None
        self._context = context
        self._request = request
        self._draining = door.site.draining
        self._endless = (response.content_type or "").startswith("text/event-stream")
        self._length = declared_length(response)
        self._sent = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._endless and self._draining.started:
            raise StopIteration
        try:
            data = self._context.run(self._next)
        except StopIteration:
            raise
        except Exception as error:
            # Raised on, so that a server may break the connection off and the client see that a part is missing.
            log_failure("a stream failed", self._request, error)
            raise
        self._sent += len(data)
        return data

    def close(self) -> None:
        self._context.run(_close, self._items if self._iterator is None else self._iterator)

    def _next(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self._items)
        try:
            data = as_bytes(next(self._iterator))
        except StopIteration:
            check_length(self._sent, self._length, ended=True)
            raise
        check_length(self._sent + len(data), self._length, ended=False)
        return data


class _WorkingBody:
    """A body after which there is work to do: servers call `close` once it is sent."""

    def __init__(self, door: WsgiDoor, request: WsgiRequest, body: Iterable[bytes], context: Context) -> None:
        self._door = door
        self._request = request
        self._body = body
        self._context = context

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        try:
            _close(self._body)
        finally:
            self._context.run(run_work_in_thread, self._request, self._door.background)


UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")
BODILESS = frozenset({*range(100, 200), 204, 304})
HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"})


def _decode(text: str) -> str:
    # PEP 3333 hands bytes over as latin-1.
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def _on_loop() -> bool:
    if "asyncio" not in sys.modules:
        return False
    from asyncio import _get_running_loop

    return _get_running_loop() is not None


def _on_background(chunks: AsyncIterable[bytes | str], background: BackgroundLoop) -> Iterator[bytes | str]:
    iterator = aiter(chunks)
    try:
        while True:
            try:
                yield background.run(_next_of(iterator))
            except StopAsyncIteration:
                return
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            background.run(close())


async def _next_of(iterator: AsyncIterator[Value]) -> Value:
    return await anext(iterator)


def _close(items: object) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()


def _at_exit(function: Callable[[], None]) -> None:
    import atexit
    from multiprocessing import parent_process
    from multiprocessing.util import Finalize

    if parent_process() is None:
        atexit.register(function)
    else:  # a worker that was forked ends without `atexit`
        Finalize(None, function, exitpriority=10)


def _incomplete() -> BadRequest:
    return BadRequest("The body broke off, or is not framed as HTTP asks.", headers={"connection": "close"})
