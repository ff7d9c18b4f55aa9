"""The way of a request through a frozen site: match → check → call → complete. Compiled once for each colour of doors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from erlen.app.routes import Hooks, Policy, SlashPolicy
from erlen.binding.endpoint import Call, OnError
from erlen.binding.parameter import SAFE
from erlen.errors import HTTPError, MethodNotAllowed, NotFound
from erlen.http.limits import Limits
from erlen.http.request import Request, active_request
from erlen.http.response import RedirectResponse, Response
from erlen.routing.pattern import HostPattern
from erlen.routing.tree import Router
from erlen.security.hosts import host_name

if TYPE_CHECKING:
    from erlen.app.problems import Problems
    from erlen.app.site import Site
    from erlen.http.compression import Compression

__all__ = ["BoundRoute", "Methods", "Pipeline", "Wrap"]

Wrap: TypeAlias = "Callable[[Call, Sequence[Hooks]], Call]"
"""Puts the application's middleware around a call; the errors of both are answered by the handlers of these scopes."""


class BoundRoute(Struct, frozen=True, eq=False):
    """A route as the pipeline calls it."""

    name: str
    path: str
    param_names: tuple[str, ...]
    limits: Limits
    csrf: bool
    """Whether unsafe requests are checked."""
    call: Call
    on_error: OnError
    slashes: SlashPolicy = "redirect"
    scopes: Sequence[Any] = ()
    """Whose error handlers count: the application's, the plugins', then those of its blueprints."""


class Methods(dict[str, BoundRoute]):
    """What answers at one path, by method."""

    any: BoundRoute | None = None
    """Answers every method that is not there: a mounted application."""


class Pipeline:
    """One compiled way for requests, on the loop or in a thread."""

    def __init__(self, site: Site, *, wrap: Wrap, on_error: OnError, problems: Problems) -> None:
        self.router: Router[Methods] = Router(Methods)
        self.host_routers: list[tuple[HostPattern, Router[Methods]]] = []
        # PERF: with routes of their own host the host is looked at first; without, a path needs one look-up or one match.
        self.static: Mapping[str, Methods] = self.router.static
        self.match: Callable[[str], tuple[Methods, tuple[object, ...]] | None] = self.router.match
        self.wrap = wrap
        self.on_error = on_error
        self.problems = problems
        self.hosts = site.hosts
        self.known_hosts = site.hosts.known
        self.proxies = site.proxies
        self.proxied = site.proxies.enabled
        self.csrf = site.protections.csrf
        self.limits = site.limits
        self.allow_nonce = site.allow_nonce
        self.compresses = site.settings.compression
        self.fallbacks = site.fallbacks
        self.not_found = self._answering(self._fall_back)
        self.slash_redirect = self._answering(_redirect_slash)
        self._refusals: dict[tuple[str, frozenset[str]], BoundRoute] = {}
        """By path template and allowed methods: made when first asked for."""

    def router_for(self, host: HostPattern | None) -> Router[Methods]:
        """Return the router of the routes of a host, or of those without one."""
        if host is None:
            return self.router
        for pattern, router in self.host_routers:
            if pattern.template == host.template:
                return router
        self.host_routers.append((host, Router(Methods)))
        return self.host_routers[-1][1]

    def freeze(self) -> None:
        """Make the routers ready; the fewer parameters a host has, the earlier it is tried."""
        self.host_routers.sort(key=lambda pair: len(pair[0].names))
        for _, router in self.host_routers:
            router.freeze()
        self.router.freeze()
        if self.host_routers:
            self.static = {}
            self.match = _match_nothing

    async def dispatch(self, request: Request) -> Response:
        """Answer a request. Never raises, except to pass on a cancellation."""
        active_request.set(request)
        on_error = self.on_error
        try:
            host = self.proxies.host(request) if self.proxied else request.wire_host
            if host not in self.known_hosts:
                self.hosts.check(host)
            methods = self.static.get(request.path)
            if methods is None:
                found = self.match(request.path)
                if found is None:
                    methods = self._find_elsewhere(request)
                else:
                    methods, request.params = found
            route = methods.get(request.method) or methods.any or self._other_method(request, methods)
            request.route = route
            on_error = route.on_error
            if route.csrf and request.method not in SAFE:
                await self._check_origin(request, route)
            response = await route.call(request)
            if response.kind != "body" or response._headers is not None:
                response = self._complete(request, response)
        except Exception as error:  # noqa: BLE001 - the one place where errors become responses
            response = await on_error(request, error)
            if response.kind == "file":
                response = self._prepare(request, response)
        if request.finishers is not None:
            response = self._finish(request, response)
        if self.compresses and (len(response.body) >= MINIMUM_SIZE or response.kind == "stream"):
            response = self.compression.apply(request, response)
        return response

    @cached_property
    def compression(self) -> Compression:
        """Made at the first response that is large enough: the libraries take a while to load."""
        from erlen.http.compression import Compression

        return Compression(MINIMUM_SIZE)

    def refuse(self, request: Request, error: HTTPError) -> Response:
        """Answer a request that a door refuses before it is dispatched."""
        active_request.set(request)
        response = self.problems.render(request, error)
        return self._finish(request, response) if request.finishers else response

    # -- match --------------------------------------------------------------------------------------------------------------

    def _find_elsewhere(self, request: Request) -> Methods:
        """Look among the routes of this host, and for a path with one slash more or less."""
        for router, values in self._routers(request):
            found = router.match(request.path)
            if found is None:
                other = router.alternative(request.path)
                found = None if other is None else router.match(other)
                if found is None:
                    continue
                slashes = (found[0].any or next(iter(found[0].values()))).slashes
                if slashes == "redirect":
                    return self.slash_redirect
                if slashes == "strict":
                    continue
            methods, params = found
            request.params = (*values, *params)
            return methods
        return self.not_found

    def _routers(self, request: Request) -> Iterator[tuple[Router[Methods], tuple[object, ...]]]:
        """Yield the routers that may answer this host, with the values of the host's parameters."""
        if self.host_routers:
            name = host_name(request.host)
            for pattern, router in self.host_routers:
                values = pattern.match(name)
                if values is not None:
                    yield router, values
        yield self.router, ()

    def _other_method(self, request: Request, methods: Methods) -> BoundRoute:
        """Answer a method that the preferred route of a path does not have: another route of the path may have it."""
        allowed = {"OPTIONS", *methods}
        for router, values in self._routers(request):
            for found, params in router.matches(request.path):
                route = found.get(request.method) or found.any
                if route is not None:
                    request.params = (*values, *params)
                    return route
                allowed.update(found)

        request.params = ()
        first = next(iter(methods.values()))
        key = (first.path, frozenset(allowed))
        if key not in self._refusals:
            call = self.wrap(_refuse_method(allowed), first.scopes)
            self._refusals[key] = BoundRoute(first.name, first.path, (), self.limits, False, call, first.on_error)
        return self._refusals[key]

    async def _fall_back(self, request: Request) -> Response:
        """Answer a path that no route has."""
        for answer in self.fallbacks:
            response = answer(request)
            if response is not None:
                return response
        raise NotFound

    def _answering(self, call: Call) -> Methods:
        """Return methods of which each is answered by `call`, with the application's middleware around it."""
        methods = Methods()
        methods.any = BoundRoute("", "", (), self.limits, False, self.wrap(call, ()), self.on_error)
        return methods

    # -- check --------------------------------------------------------------------------------------------------------------

    async def _check_origin(self, request: Request, route: BoundRoute) -> None:
        try:
            if not self.csrf.check(request):
                await self.csrf.verify_token(request)
        except HTTPError:
            # Middleware is not asked, but CORS must be, or a page that it lets in could not read why it was refused.
            for policy in (one for scope in route.scopes for one in scope.middleware if isinstance(one, Policy)):
                policy.before(request)
            raise

    # -- complete -----------------------------------------------------------------------------------------------------------

    def _complete(self, request: Request, response: Response) -> Response:
        """Apply conditions and ranges, which only some responses meet."""
        if response.kind == "file":
            return response.prepare(request)
        headers = response.own_headers
        if headers is not None and ("etag" in headers or "last-modified" in headers):
            from erlen.http.conditional import apply_conditions

            return apply_conditions(request, response)
        return response

    def _prepare(self, request: Request, response: Response) -> Response:
        """Prepare a file that an error handler answers with."""
        try:
            return response.prepare(request)
        except HTTPError as error:
            self.problems.report(request, error)
            return self.problems.render(request, error)

    def _finish(self, request: Request, response: Response) -> Response:
        """Let those who wait for the response have it: the session writes its cookie, a nonce enters the policy."""
        while request.finishers:
            try:
                request.finishers.pop()(request, response)
            except Exception as error:  # noqa: BLE001 - such as a session that has grown too large for its cookie
                self.problems.report(request, error)
                response = self.problems.render(request, error)
                if request._nonce is not None:
                    self.allow_nonce(request, response)
        return response


MINIMUM_SIZE = 1024
"""Of a body worth compressing, in bytes."""


def _match_nothing(path: str) -> None:
    return None


def _refuse_method(allowed: set[str]) -> Call:
    async def refuse(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(b"", 204, {"allow": ", ".join(sorted(allowed))})
        raise MethodNotAllowed(allowed, f"{request.method} is not allowed here.")

    return refuse


async def _redirect_slash(request: Request) -> Response:
    """Redirect to the path with one slash more or less, which the router has found to be there (`Router.alternative`)."""
    from erlen.http.url import encode_path

    path = request.path[:-1] if request.path.endswith("/") else request.path + "/"
    location = encode_path(request.root_path + path)
    if request.query_string:
        location += "?" + request.query_string
    return RedirectResponse(location, 308)
