"""Running another ASGI or WSGI application (a whole Starlette, Flask or Django site) inside a request of ours."""

from __future__ import annotations

import io
import sys
from asyncio import FIRST_COMPLETED, Event, Future, Queue, Task, create_task, ensure_future, wait
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from erlen.doors.headers import HOP_BY_HOP
from erlen.doors.log import log_error, log_failure
from erlen.doors.wsgi import Environ, WsgiRequest
from erlen.drive import drive
from erlen.errors import ErlenError
from erlen.http.headers import Headers, check_header
from erlen.http.request import Request
from erlen.http.response import Response, StreamResponse
from erlen.types import HeaderPairs

if TYPE_CHECKING:
    from erlen.doors.asgi import Message, Receive, Scope, Send

__all__ = ["AsgiApplication", "MountedLifespan", "WsgiApplication", "asgi_endpoint", "wsgi_endpoint"]

AsgiApplication: TypeAlias = "Callable[[Scope, Receive, Send], Awaitable[None]]"
WsgiApplication: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
MountedEndpoint: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]

# A body that declares no more than this is gathered at once instead of a trip to a thread for each piece.
GATHERED = 256 * 1024


def asgi_endpoint(app: AsgiApplication, prefix: str, lifespan: MountedLifespan | None = None) -> MountedEndpoint:
    """Return an endpoint for the event loop that answers with what an ASGI application answers.

    Args:
        app: any ASGI 3 application.
        prefix: the path it is mounted under, such as `/legacy`; the application sees it as `root_path`.
        lifespan: what starts and stops it, for the state that it shares with its requests.

    Bodies stream both ways, with back-pressure. The application's own header fields win over the site's defaults. Its Set-Cookie,
    errors and redirects are its own; an exception before its response has begun is raised here.
    """
    prefix = prefix.rstrip("/")

    async def endpoint(request: Request) -> Response:
        scope = _asgi_scope(request, prefix)
        scope["state"] = {} if lifespan is None else lifespan.state.copy()
        return await _AsgiExchange(app, request, scope).respond()

    return endpoint


def wsgi_endpoint(app: WsgiApplication, prefix: str) -> MountedEndpoint:
    """Return an endpoint for a thread (it never suspends) that answers with what a WSGI application answers.

    Args:
        app: any WSGI application (PEP 3333).
        prefix: the path it is mounted under, such as `/legacy`; the application sees it as `SCRIPT_NAME`.
    """
    prefix = prefix.rstrip("/")

    async def endpoint(request: Request) -> Response:
        answer = _WsgiAnswer()
        answer.result = app(_environ(request, prefix), answer.start)
        try:
            answer.begin()
            length = next((value for name, value in answer.headers if name.lower() == "content-length"), "")
            small = isinstance(answer.result, (list, tuple)) or (length.isdecimal() and int(length) <= GATHERED)
            response: Response = Response(b"".join(answer), answer.status) if small else StreamResponse(answer, answer.status)
            _set_headers(response, answer.headers)
        except BaseException:
            answer.close()
            raise
        if small:
            answer.close()
        return response

    return endpoint


class MountedLifespan:
    """Starts and stops a mounted ASGI application (lifespan protocol 2.0), on the loop that runs its requests."""

    def __init__(self, app: AsgiApplication) -> None:
        self._app = app
        self._task: Task[None] | None = None
        self.state: dict[str, Any] = {}
        """What the application keeps for its requests, which each see a copy."""

    async def startup(self) -> None:
        """Start the application; one that does not know the lifespan protocol is left alone.

        Raises:
            ErlenError: if it says that it cannot start.
        """
        self._incoming: Queue[Message] = Queue()
        self._outgoing: Queue[Message] = Queue()
        self._task = create_task(self._run())
        await self._incoming.put({"type": "lifespan.startup"})
        answer = await self._outgoing.get()
        if answer["type"] == "lifespan.startup.failed":
            raise ErlenError(f"a mounted application failed to start: {answer.get('message') or 'it does not say why'}")
        if answer["type"] == "ended":
            self._task = None

    async def shutdown(self) -> None:
        """Stop the application, if it was started."""
        if self._task is None:
            return
        await self._incoming.put({"type": "lifespan.shutdown"})
        answer = await self._outgoing.get()
        await self._task
        self._task = None
        if answer["type"] == "lifespan.shutdown.failed" or answer.get("message"):
            log_error("a mounted application failed to stop: %s", answer.get("message"))

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        message = ""
        try:
            await self._app(scope, self._incoming.get, self._outgoing.put)
        except Exception as error:
            message = repr(error)
        await self._outgoing.put({"type": "ended", "message": message})


class _AsgiExchange:
    """One request and response with a mounted ASGI application, which runs in a task of its own."""

    def __init__(self, app: AsgiApplication, request: Request, scope: Scope) -> None:
        self._app = app
        self._request = request
        self._scope = scope
        self._body = request.stream()
        self._body_ended = False
        # One message waits at most: the application's `send` is held up as long as the client is.
        self._messages: Queue[Message | None] = Queue(1)
        self._next: Message | None = None
        self._over = Event()
        self._gone = False
        self._error: BaseException | None = None
        self._task: Task[None]

    async def respond(self) -> Response:
        self._task = create_task(self._run())
        try:
            start = await self._messages.get()
            self._next = None if start is None else await self._messages.get()
            if start is None or self._next is None:
                raise self._error or ErlenError("the mounted application ended without a response")
        except BaseException:
            self._end()
            self._task.cancel()
            raise
        if self._next.get("more_body", False):
            response: Response = StreamResponse(self, start["status"])
        else:
            self._over.set()
            response = Response(bytes(self._next.get("body", b"")), start["status"])
        _set_headers(response, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start.get("headers", ())])
        return response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._over.is_set():
            raise StopAsyncIteration
        message, self._next = self._next or await self._messages.get(), None
        if message is None:
            raise self._error or ErlenError("the mounted application ended in the middle of its response")
        if not message.get("more_body", False):
            self._end()
        return message.get("body", b"")  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Tell the application that nobody wants the rest of its response, if there is one."""
        self._gone = not self._over.is_set()
        self._end()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:
            if self._gone:
                return  # it was told by an exception; keeping that would keep its generators from being closed
            if self._over.is_set():
                log_failure("a mounted application failed after its response", self._request, error)
                return
            self._error = error
        if not self._over.is_set():
            await self._messages.put(None)

    async def _receive(self) -> Message:
        over = ensure_future(self._over.wait())
        part: Future[Any] = ensure_future(self._request.wait_disconnect() if self._body_ended else _next_of(self._body))
        try:
            await wait((over, part), return_when=FIRST_COMPLETED)
            if over.done() or self._body_ended:
                return {"type": "http.disconnect"}
            chunk = part.result()
        finally:
            over.cancel()
            part.cancel()
        self._body_ended = not chunk
        return {"type": "http.request", "body": chunk, "more_body": not self._body_ended}

    async def _send(self, message: Message) -> None:
        if self._gone:
            raise OSError("the client has disconnected")  # ASGI HTTP specification 2.4
        if not self._over.is_set():
            await self._messages.put(message)

    def _end(self) -> None:
        self._over.set()
        if not self._messages.empty():
            self._messages.get_nowait()  # lets a `send` that waits go on, and find out


def _asgi_scope(request: Request, prefix: str) -> dict[str, Any]:
    from erlen.http.url import encode_path

    name, port = _server_of(request)
    path = request.mount_path + request.path
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": path,
        "raw_path": encode_path(path).encode("ascii"),
        "root_path": request.mount_path + prefix,
        "query_string": request.query_string.encode("latin-1", "replace"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in request.header_items()],
        "client": (request.client, 0) if request.client else None,
        "server": (name, port),
    }


class _WsgiAnswer:
    """What a WSGI application answers; as an iterator, what it writes and what it returns."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: HeaderPairs = []
        self.result: Iterable[bytes] = ()
        self._items: Iterator[bytes] = iter(())
        self._ready: list[bytes] = []

    def start(self, status: str, headers: HeaderPairs, exc_info: Any = None) -> Callable[[bytes], object]:
        """PEP 3333's `start_response`; its `write` keeps what it is given for the beginning of the body."""
        if exc_info is None and self.status:
            raise AssertionError("start_response was called twice")
        self.status = int(status[:3])
        self.headers = headers
        return self._ready.append

    def begin(self) -> None:
        """Go on until the application has called `start`: a generator does so with its first item."""
        self._items = iter(self.result)
        while not self.status:
            item = next(self._items, None)
            if item is not None:
                self._ready.append(item)
            elif not self.status:
                raise ErlenError("the mounted application ended without calling start_response")

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._ready:
            self._ready.append(next(self._items))
        return self._ready.pop(0)

    def close(self) -> None:
        close = getattr(self.result, "close", None)
        if close is not None:
            close()


class _Input(io.RawIOBase):
    """`wsgi.input`: the request's body, read by a thread as it comes."""

    def __init__(self, request: Request) -> None:
        self._chunks = request.stream()
        self._rest = b""
        # On the WSGI door the body is read by this very thread; elsewhere by the event loop, for which this thread waits.
        self._wait = drive if isinstance(request, WsgiRequest) else request.wait

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._wait(_next_of(self._chunks))
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _environ(request: Request, prefix: str) -> Environ:
    name, port = _server_of(request)
    root = request.mount_path + prefix
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": _as_latin(root),
        "PATH_INFO": _as_latin(request.path.removeprefix(prefix)),
        "QUERY_STRING": request.query_string,
        "SERVER_NAME": name,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BufferedReader(_Input(request), 64 * 1024),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for field, value in request.header_items():
        if "_" in field:
            continue  # `X_Name` would pass for `X-Name`
        key = field.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        before = environ.get(key)
        environ[key] = value if before is None else before + ("; " if key == "HTTP_COOKIE" else ",") + value
    return environ


async def _next_of(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks, b"")


def _server_of(request: Request) -> tuple[str, int]:
    name, colon, port = request.host.rpartition(":")
    if colon and port.isdigit():
        return name, int(port)
    return request.host, 443 if request.scheme == "https" else 80


def _as_latin(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


def _set_headers(response: Response, pairs: HeaderPairs) -> None:
    """Give a response the header fields of the mounted application that can be sent, and no others."""
    kept: HeaderPairs = []
    for name, value in pairs:
        try:
            kept.append(check_header(name, value))
        except ValueError as error:
            log_error("a header field of a mounted application cannot be sent: %s", error)
    response.content_type = None
    response._headers = Headers.trusted([pair for pair in kept if pair[0] not in HOP_BY_HOP])
