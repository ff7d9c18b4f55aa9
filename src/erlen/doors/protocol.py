"""What a door needs of the frozen site, and what the site may count on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from erlen.errors import HTTPError
from erlen.http.request import Request, RequestContext
from erlen.http.response import Response
from erlen.types import HeaderPairs

if TYPE_CHECKING:
    from erlen.doors.draining import Draining
    from erlen.doors.pool import BackgroundLoop, ThreadPool

__all__ = ["Dispatch", "Site"]

Dispatch: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


class Site(RequestContext, Protocol):
    """The frozen application behind a door.

    The doors check what only they see (framing, sizes, timeouts); the site answers for everything else. It must read
    `request.wire_host` for each request: that is where a repeated `Host` field is refused (RFC 9112, section 3.2).

    - `pool`: the threads in which `def` handlers, synchronous streams and work after the response run.
    - `background`: the event loop of a worker whose server has none (WSGI): its lifespan and every coroutine that waits run on it.
    - `draining`: set when this worker has been told to stop: event streams end, so that they do not hold it.
    - `trusts_proxies`: whether `effective_scheme` may differ from `wire_scheme`; where it cannot, the doors do not ask.
    - `dispatch` answers a request on the event loop. It never raises, except to pass on a cancellation.
    - `dispatch_in_thread` answers a request in this thread, without ever suspending. It never raises.
    - `refuse` renders a refusal that a door makes before it dispatches. It never raises.
    - `default_headers`: the fields that every response has, names in lower case; `secure`: those of a response over TLS.
    - `startup` begins: called once by each worker, on the loop that will run `dispatch`. What it raises stops the worker.
    - `shutdown` ends: called once by each worker, after its last request.
    """

    @property
    def pool(self) -> ThreadPool: ...
    @property
    def background(self) -> BackgroundLoop: ...
    @property
    def draining(self) -> Draining: ...
    @property
    def trusts_proxies(self) -> bool: ...
    @property
    def dispatch(self) -> Dispatch: ...
    @property
    def dispatch_in_thread(self) -> Dispatch: ...
    def refuse(self, request: Request, error: HTTPError) -> Response: ...
    def default_headers(self, secure: bool) -> HeaderPairs: ...
    async def startup(self) -> None: ...
    async def shutdown(self) -> None: ...
