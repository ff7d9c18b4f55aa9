"""The WSGI door (PEP 3333): `def` handlers run in the server's own threads, without a hop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextvars import Context, copy_context
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from erlen.doors.after import run_work_in_thread
from erlen.doors.chunk import InContext, Measure, as_bytes, is_event_stream
from erlen.doors.door import CLOSE, Door, DoorRequest, Value, incomplete, several_hosts
from erlen.doors.headers import BODILESS, HOP_BY_HOP, as_text_pairs
from erlen.doors.log import log_failure
from erlen.doors.pool import on_loop
from erlen.doors.protocol import Site
from erlen.drive import SUSPENDED, drive
from erlen.errors import ContentTooLarge, RequestTimeout, URITooLong, reason_phrase
from erlen.http.limits import Limits
from erlen.http.response import VARIES, Response, StreamResponse

if TYPE_CHECKING:
    from multiprocessing.util import Finalize

    from erlen.http.file import FileResponse
    from erlen.http.form import FormData

__all__ = ["Environ", "StartResponse", "WsgiDoor", "WsgiRequest"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., object]

CHUNK = 64 * 1024


class WsgiRequest(DoorRequest, kw_only=True, eq=False, weakref=True):
    """A request that came through WSGI.

    WSGI leaves some things to what stands in front, which should be a buffering proxy: a body that stalls keeps its thread, a chunked
    body that breaks off looks whole on granian, a client that has left goes unnoticed, and `X_Name` and `X-Name` are one field (nginx
    drops the former).
    """

    environ: Environ

    def header(self, name: str) -> str | None:
        """Return a header field; servers join repeated ones.

        Raises:
            HeaderFieldsTooLarge: once, when the value is over `limits.header_size`; after that it counts as absent.
        """
        key = _environ_key(name)
        value: str | None = self.environ.get(key)
        if not value:
            # CONTENT_TYPE and CONTENT_LENGTH may be there and empty.
            return None if key in UNPREFIXED else value
        if len(value) > self.door.header_size:
            self.refuse_fields(f"The header field {name!r} has {len(value)} bytes; {self.door.header_size} are allowed.")
            return None
        return value

    def header_items(self) -> list[tuple[str, str]]:
        items = [(key[5:].replace("_", "-").lower(), value) for key, value in self.environ.items() if key.startswith("HTTP_")]
        items += [(key.replace("_", "-").lower(), self.environ[key]) for key in UNPREFIXED if self.environ.get(key)]
        return self.bounded(items)

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
            raise several_hosts()
        return host

    @property
    def mount_path(self) -> str:
        return _decode(self.environ.get("SCRIPT_NAME", "")).rstrip("/")

    async def receive_all(self, limits: Limits, length: int | None) -> bytes:
        chunks = self._read(limits, length)
        return await self.door.site.pool.call(b"".join, chunks) if on_loop() else b"".join(chunks)

    async def receive_chunks(self, limits: Limits, length: int | None) -> AsyncIterator[bytes]:
        chunks = self._read(limits, length)
        if on_loop():
            async for chunk in self.door.site.pool.iterate(chunks):
                yield chunk
        else:
            for chunk in chunks:
                yield chunk

    async def wait_disconnect(self) -> None:
        from asyncio import get_running_loop

        await get_running_loop().create_future()

    def read_body(self) -> bytes:
        return drive(self.body())

    def read_form(self) -> FormData:
        return drive(self.form())

    def _read(self, limits: Limits, length: int | None) -> Iterator[bytes]:
        if length is None and not self.environ.get("wsgi.input_terminated"):
            return  # PEP 3333: without a length, and where nothing says that the input ends by itself, there is no body
        read = self.environ["wsgi.input"].read
        end = monotonic() + limits.body_timeout
        received = 0
        while length is None or received < length:
            try:
                chunk = read(CHUNK if length is None else min(CHUNK, length - received))
            except (OSError, RuntimeError, ValueError):  # what servers raise for a connection that broke off, or bad framing
                raise incomplete() from None
            if not chunk:
                break
            received += len(chunk)
            if received > limits.body_size:
                raise ContentTooLarge(f"The body has more than {limits.body_size} bytes.")
            if monotonic() > end:
                raise RequestTimeout
            yield chunk
        if length is not None and received < length:
            raise incomplete()


class WsgiDoor(Door[tuple[str, str]]):
    """A WSGI application that serves a site whose handlers are all `def`."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, as_text_pairs)
        self._dispatch = site.dispatch_in_thread
        self._lock = threading.Lock()
        self._started = False
        self._at_exit: Finalize | None = None

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
            response = self.site.refuse(request, URITooLong(headers=CLOSE))
        else:
            coroutine = self._dispatch(request)
            try:
                context.run(coroutine.send, None)
            except StopIteration as stop:
                response = stop.value
            else:
                coroutine.close()
                raise RuntimeError(SUSPENDED)
        secure = self._checks_scheme and (request.is_secure if self._trusts_proxies else environ["wsgi.url_scheme"] == "https")
        # PERF: the commonest response: a shared list, and granian measures the body itself.
        own = response._headers
        if (own is None or own is VARIES) and response.kind == "body" and request.work_after is None and response.status == 200:
            headers = self._shared[secure].get(response.content_type if own is None else (response.content_type,))
            if headers is not None and request.method != "HEAD" and environ.get("SERVER_SOFTWARE") == "Granian":
                start_response("200 OK", headers)
                return [as_bytes(response.body)]
        return self._respond(request, response, secure, context, start_response)

    def startup(self) -> None:
        """Start the site, unless it is started; the first request does it where the host does not."""
        with self._lock:
            if self._started:
                return
            try:
                self.wait(self._lifespan.start())
            except BaseException:
                self.site.background.close()
                raise
            self._started = True
            from multiprocessing.util import Finalize

            # Not `atexit`, without which a worker ends that was forked.
            self._at_exit = Finalize(None, self.shutdown, exitpriority=10)

    def shutdown(self) -> None:
        """Stop the site, if it is started."""
        with self._lock:
            if not self._started:
                return
            self._started = False
        if self._at_exit is not None:
            self._at_exit.cancel()
        self.site.draining.start()  # here too, as only the main thread can put signal handlers back
        try:
            self.wait(self._lifespan.stop())
        finally:
            self.site.background.close()

    def wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine on the background loop, in the context of this thread, and block until it has ended."""
        return self.site.pool.wait(coroutine, self.site.background.loop)

    def _respond(
        self, request: WsgiRequest, response: Response, secure: bool, context: Context, start_response: StartResponse
    ) -> Iterable[bytes]:
        body: Iterable[object]
        if response.kind == "body":
            data = as_bytes(response.body)
            headers = self._lists.for_size(response, secure, len(data), request.method)
            body = [data]
        elif response.kind == "file":
            file = cast("FileResponse", response)
            headers = self._lists.for_size(file, secure, file.end - file.start)
            body = self._file_body(request, file)
        else:
            headers = self._lists.for_stream(response, secure)
            chunks = cast("StreamResponse", response).chunks
            body = _OnLoop(chunks, self) if isinstance(chunks, AsyncIterable) else chunks
        # PEP 3333 keeps hop-by-hop fields from applications; granian lets them through, and has no other way to close.
        if request.environ.get("SERVER_SOFTWARE") != "Granian":
            headers = [pair for pair in headers if pair[0] not in HOP_BY_HOP]
        start_response(f"{response.status} {reason_phrase(response.status)}", headers)
        if request.method == "HEAD" or response.status in BODILESS:
            InContext(body, context).close()
            response, body = Response(), []
        if response.kind == "stream" or request.work_after is not None:
            return _Body(body, context, self, request, response)
        return cast("Iterable[bytes]", body)

    def _file_body(self, request: WsgiRequest, response: FileResponse) -> Iterable[bytes]:
        wrapper = request.environ.get("wsgi.file_wrapper")
        whole = response.end - response.start == response.size
        if wrapper is not None and whole and request.method != "HEAD" and request.work_after is None:
            return wrapper(open(response.path, "rb"), CHUNK)  # type: ignore[no-any-return]  # the server closes it
        from erlen.http.file import file_chunks

        return cast("Iterable[bytes]", file_chunks(response.path, response.start, response.end))


class _Body(InContext[object]):
    """A body that is made in the context of its request, or after which there is work to do: servers call `close` once it is sent."""

    def __init__(self, items: Iterable[object], context: Context, door: WsgiDoor, request: WsgiRequest, response: Response) -> None:
        super().__init__(items, context)
        self._door = door
        self._request = request
        self._measure = Measure(response)
        self._may_end = is_event_stream(response)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._may_end and self._door.site.draining.started:
            raise StopIteration
        try:
            chunk = self.step(_END)
            if chunk is not _END:
                return self._measure.take(chunk)
            self._measure.end()
        except Exception as error:
            # Raised on, so that a server may break the connection off and the client see that a part is missing.
            log_failure("a stream failed", self._request, error)
            raise
        raise StopIteration

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._context.run(run_work_in_thread, self._request, self._door.wait)


class _OnLoop:
    """The chunks of an asynchronous stream, made on the background loop."""

    def __init__(self, chunks: AsyncIterable[bytes | str], door: WsgiDoor) -> None:
        self._iterator = aiter(chunks)
        self._wait = door.wait

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        chunk = self._wait(_next_of(self._iterator))
        if chunk is _END:
            raise StopIteration
        return chunk

    def close(self) -> None:
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            self._wait(close())


UNPREFIXED = ("CONTENT_TYPE", "CONTENT_LENGTH")


def _decode(text: str) -> str:
    # PEP 3333 hands bytes over as latin-1.
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


@lru_cache(256)
def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in UNPREFIXED else "HTTP_" + key


async def _next_of(iterator: AsyncIterator[object]) -> object:
    return await anext(iterator, _END)


_END = object()
