"""The frozen site: what an application has become when it serves."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from erlen.app.pipeline import Pipeline
from erlen.app.settings import Settings
from erlen.errors import ErlenError, HTTPError, Mistake
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.types import Colour, Handler, HeaderPairs

if TYPE_CHECKING:
    from erlen.app.plugin import ErrorPage, Plugin
    from erlen.app.protections import Protections
    from erlen.doors.asgi import AsgiDoor
    from erlen.doors.draining import Draining
    from erlen.doors.pool import BackgroundLoop, ThreadPool
    from erlen.doors.rsgi import RsgiDoor
    from erlen.doors.wsgi import WsgiDoor
    from erlen.http.session import HttpSession
    from erlen.routing.reverse import URLMap

__all__ = ["RouteInfo", "Site"]


class RouteInfo(Struct, frozen=True, eq=False):
    """A route of the site, for `erlen routes`, documentation and tools."""

    name: str
    path: str
    methods: tuple[str, ...]
    host: str | None
    handler: Handler
    colour: Colour
    hops: int
    """How often a request to it changes between the loop and a thread."""
    middleware: tuple[str, ...]
    where: str
    deprecated: bool = False
    parameters: Sequence[Any] = ()
    returns: Any = None
    streams: str | None = None
    is_mount: bool = False


class Site:
    """An immutable, compiled application. Made by `App.freeze`; served by its doors.

    `rsgi`, `asgi` and `wsgi` are the doors; `routes`, `settings` and `extensions` can be read.
    """

    def __init__(self, settings: Settings, protections: Protections, urls: URLMap, plugins: Mapping[str, Plugin]) -> None:
        self.settings = settings
        self.protections = protections
        self.limits = protections.limits
        self.hosts = protections.hosts
        self.proxies = protections.proxies
        self.urls = urls
        self.plugins = plugins
        self.extensions: Mapping[str, Any] = {}
        """What plugins share, by name."""
        self.failure_observers: list[Callable[[Request, Exception], None]] = []
        """Called with every unexpected error, for tests and error trackers."""
        self.trusts_proxies: bool = self.proxies.enabled
        self.routes: Sequence[RouteInfo] = ()
        self.around: Sequence[tuple[Callable[..., Any], str]] = ()
        """Every middleware, hook, error handler and lifespan function, each with its place."""
        self.lifespan: Sequence[tuple[Callable[[], Any] | None, Callable[[], Any] | None]] = ()
        self.checks: Sequence[Callable[[Site], Sequence[Mistake]]] = ()
        self.fallbacks: Sequence[Callable[[Request], Response | None]] = ()
        self.error_pages: Sequence[ErrorPage] = ()
        """What is asked where no route has the path."""
        self.commands: Sequence[Handler] = ()
        self.url_defaults: Sequence[tuple[str, Callable[[str, dict[str, Any]], None]]] = ()
        """Each with the prefix of the names that it is for."""
        self.dispatch: Callable[[Request], Coroutine[Any, Any, Response]]
        self._draining: Draining | None = None
        self._pool: ThreadPool | None = None
        self._background: BackgroundLoop | None = None
        self._pipeline: Pipeline
        self._thread_pipeline: Pipeline | None = None
        self._make_thread_pipeline: Callable[[], Pipeline]
        self._started: list[Callable[[], Any]] = []

    def open(self, pipeline: Pipeline, make_thread_pipeline: Callable[[], Pipeline]) -> None:
        """Give the site its compiled pipelines; the second only when a WSGI door asks for it."""
        self._pipeline = pipeline
        self._make_thread_pipeline = make_thread_pipeline
        # PERF: the pipeline's own method, so that no frame of ours stands between a door and it.
        self.dispatch = pipeline.dispatch

    # -- doors --------------------------------------------------------------------------------------------------------------

    @property
    def draining(self) -> Draining:
        """Set when this worker has been told to stop."""
        if self._draining is None:
            from erlen.doors.draining import Draining

            self._draining = Draining()
        return self._draining

    @property
    def pool(self) -> ThreadPool:
        """The threads of this worker; after `shutdown`, new ones."""
        if self._pool is None:
            from erlen.doors.pool import ThreadPool

            self._pool = ThreadPool(self.settings.threads)
        return self._pool

    @cached_property
    def rsgi(self) -> RsgiDoor:
        """This site as an RSGI application."""
        from erlen.doors.rsgi import RsgiDoor

        return RsgiDoor(self)

    @cached_property
    def asgi(self) -> AsgiDoor:
        """This site as an ASGI application."""
        from erlen.doors.asgi import AsgiDoor

        return AsgiDoor(self)

    @cached_property
    def wsgi(self) -> WsgiDoor:
        """This site as a WSGI application."""
        from erlen.doors.wsgi import WsgiDoor

        return WsgiDoor(self)

    @property
    def dispatch_in_thread(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """`dispatch` for a thread that has no event loop: it never suspends."""
        if self._thread_pipeline is None:
            self._thread_pipeline = self._make_thread_pipeline()
        return self._thread_pipeline.dispatch

    @property
    def background(self) -> BackgroundLoop:
        """The event loop that the WSGI door has beside its threads, started on first use."""
        if self._background is None:
            from erlen.doors.pool import BackgroundLoop

            self._background = BackgroundLoop()
        return self._background

    def refuse(self, request: Request, error: HTTPError) -> Response:
        """Answer a request that a door refuses before it is dispatched."""
        return self._pipeline.refuse(request, error)

    def default_headers(self, secure: bool) -> HeaderPairs:
        """The protective header fields of every response."""
        return self.protections.headers.pairs(secure)

    async def startup(self) -> None:
        """Run what is to run when a worker starts, in order; if one fails, undo those before it and raise."""
        try:
            for start, stop in self.lifespan:
                if start is not None:
                    await _settle(start())
                if stop is not None:
                    self._started.append(stop)
        except BaseException as error:
            try:
                await self.shutdown()
            except Exception as second:  # noqa: BLE001 - what went wrong first is what to mend
                error.add_note(f"What had started did not stop either: {second!r}")
            raise

    async def shutdown(self) -> None:
        """Run what is to run when a worker stops, the last started first; then end the threads."""
        failure: Exception | None = None
        while self._started:
            try:
                await _settle(self._started.pop()())
            except Exception as error:  # noqa: BLE001 - the others must still be stopped
                failure = failure or error
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if failure is not None:
            raise failure

    # -- what requests ask (RequestContext) -----------------------------------------------------------------------------------

    def client_address(self, request: Request) -> str:
        """Return the client's address; `request.client`."""
        return self.proxies.client(request) if self.trusts_proxies else request.peer

    def effective_scheme(self, request: Request) -> str:
        """Return the scheme that the client uses; `request.scheme`."""
        return self.proxies.scheme(request) if self.trusts_proxies else request.wire_scheme

    def effective_host(self, request: Request) -> str:
        """Return the host that the client asked for, checked; `request.host`."""
        host = self.proxies.host(request) if self.trusts_proxies else request.wire_host
        if host not in self.hosts.known:
            self.hosts.check(host)
        return host

    def root_path(self, request: Request) -> str:
        """Return the prefix of every URL as the client sees it; `request.root_path`."""
        prefix = self.settings.root_path or (self.proxies.prefix(request) if self.trusts_proxies else "")
        return prefix.rstrip("/") + request.mount_path

    def request_id(self, request: Request) -> str:
        """Return the id that a trusted proxy gave a request, or a new one, and announce it in the response; `request.id`."""
        told = self.proxies.request_id(request) if self.trusts_proxies else None
        value = told or os.urandom(16).hex()

        def announce(_: Request, response: Response) -> None:
            response.headers["x-request-id"] = value

        request.finish_with(announce)
        return value

    def open_session(self, request: Request) -> HttpSession:
        """Return the visitor's session; `request.session`."""
        return self.protections.sessions.open(request)

    def csrf_token(self, request: Request) -> str:
        """Return a token for this visitor's forms; `request.csrf_token`."""
        return self.protections.csrf.token(request)

    def trusts_origin(self, origin: str) -> bool:
        """Return whether `TRUSTED_ORIGINS` has an origin."""
        return origin in self.protections.csrf.trusted

    def allow_nonce(self, request: Request, response: Response) -> None:
        """Put the request's nonce into the response's Content-Security-Policy."""
        self.protections.headers.apply_nonce(response, request.csp_nonce)

    # -- URLs ---------------------------------------------------------------------------------------------------------------

    def url_for(
        self,
        name: str,
        params: Mapping[str, Any],
        *,
        request: Request | None = None,
        query: Mapping[str, Any] | None = None,
        fragment: str | None = None,
        absolute: bool = False,
        scheme: str | None = None,
    ) -> str:
        """Build the URL of a route; see `erlen.url_for`."""
        if self.url_defaults:
            params = dict(params)
            for prefix_of_names, function in self.url_defaults:
                if name.startswith(prefix_of_names):
                    function(name, params)
        prefix = self.root_path(request) if request is not None else self.settings.root_path.rstrip("/")
        path = prefix + self.urls.build(name, params, query=query, fragment=fragment)
        host = self.urls.build_host(name, params)
        if host is None and not absolute and scheme is None:
            return path
        own = request.host if request is not None else self.settings.server_name
        if host is not None and ":" in own and not own.endswith("]"):
            host += ":" + own.rpartition(":")[2]
        authority = host or own
        if not authority:
            raise ErlenError("an absolute URL outside a request needs the setting SERVER_NAME, such as example.com")
        return f"{scheme or (request.scheme if request is not None else 'https')}://{authority}{path}"

    def resolve(self, path: str, method: str = "GET") -> tuple[RouteInfo, dict[str, Any]] | None:
        """Return the route that answers a path, and the values of its parameters; None when there is none."""
        found = self._pipeline.router.match(path)
        bound = None if found is None else found[0].any or found[0].get(method)
        if found is None or bound is None:
            return None
        for route in self.routes:
            if route.name == bound.name and route.path == bound.path and (route.is_mount or method in route.methods or method == "HEAD"):
                return route, dict(zip(bound.param_names, found[1], strict=False))
        return None

    def route_name(self, handler: Callable[..., Any]) -> str:
        """Return the name of the route that a handler answers; the first, where it answers several."""
        for route in self.routes:
            if route.handler is handler:
                return route.name
        raise LookupError(f"{getattr(handler, '__qualname__', handler)} is not the handler of a route")

    def __repr__(self) -> str:
        return f"<Site with {len(self.routes)} routes>"


async def _settle(value: Any) -> None:
    if hasattr(value, "__await__"):
        await value
