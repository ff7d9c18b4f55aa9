"""The way of a request through a frozen site: match → check → call → complete. Compiled once for each colour of doors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from erlen.errors import HTTPError, MethodNotAllowed, NotFound
from erlen.http.limits import Limits
from erlen.http.request import Request, active_request
from erlen.http.response import RedirectResponse, Response
from erlen.routing.pattern import HostPattern
from erlen.routing.tree import Router

if TYPE_CHECKING:
    from erlen.app.problems import Problems
    from erlen.http.compression import Compression
    from erlen.security.csrf import CsrfPolicy
    from erlen.security.hosts import HostPolicy
    from erlen.security.proxies import Proxies

__all__ = ["BoundRoute", "Methods", "Pipeline", "Wrap"]

Call: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
OnError: TypeAlias = Callable[[Request, Exception], Coroutine[Any, Any, Response]]
Wrap: TypeAlias = Callable[[Call], Call]


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
    slashes: str = "redirect"


class Methods(dict[str, BoundRoute]):
    """What answers at one path, by method; other methods get 405, OPTIONS lists them, HEAD follows GET."""

    def __init__(self, missing: Callable[[Methods], BoundRoute]) -> None:
        super().__init__()
        self._missing = missing
        self._answer: BoundRoute | None = None
        self.any: BoundRoute | None = None
        """Answers every method: a mounted application."""

    def __missing__(self, method: str) -> BoundRoute:
        if self.any is not None:
            return self.any
        if self._answer is None:
            self._answer = self._missing(self)
        return self._answer

    @property
    def allowed(self) -> list[str]:
        """The methods that may be used here, OPTIONS included."""
        return sorted({*self, "OPTIONS"})

    @property
    def slashes(self) -> str:
        """The slash policy of what is here."""
        route = self.any or next(iter(self.values()), None)
        return "redirect" if route is None else route.slashes


class Pipeline:
    """One compiled way for requests, on the loop or in a thread."""

    def __init__(
        self,
        *,
        router: Router[Methods],
        host_routers: Sequence[tuple[HostPattern, Router[Methods]]],
        wrap: Wrap,
        on_error: OnError,
        hosts: HostPolicy,
        proxies: Proxies,
        csrf: CsrfPolicy | None,
        problems: Problems,
        compression: Compression | None,
        limits: Limits,
        apply_nonce: Callable[[Request, Response], None],
    ) -> None:
        self.router = router
        self.host_routers = tuple(host_routers)
        # Without routes of their own host a path without parameters needs one look-up.
        self.static: Mapping[str, Methods] = {} if host_routers else router.static
        self.wrap = wrap
        self.on_error = on_error
        self.hosts = hosts
        self.known_hosts = hosts.known
        self.proxies = proxies
        self.proxied = proxies.enabled
        self.csrf = csrf
        self.problems = problems
        self.compression = compression
        self.limits = limits
        self.apply_nonce = apply_nonce
        self.not_found = self._methods(self._raise_not_found)

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
                methods = self._find(request)
            route = request.route = methods[request.method]
            on_error = route.on_error
            if route.csrf and request.method not in SAFE:
                await self._check_origin(request)
            response = await route.call(request)
            if response.kind != "body" or response.own_headers is not None:
                response = self._complete(request, response)
        except Exception as error:  # noqa: BLE001 - the one place where errors become responses
            response = await on_error(request, error)
        if request.finishers is not None:
            response = self._finish(request, response)
        if self.compression is not None and (len(response.body) >= self.compression.minimum_size or response.kind == "stream"):
            response = self.compression.apply(request, response)
        return response

    def refuse(self, request: Request, error: HTTPError) -> Response:
        """Answer a request that a door refuses before it is dispatched."""
        active_request.set(request)
        response = self.problems.render(request, error)
        return self._finish(request, response) if request.finishers else response

    # -- match --------------------------------------------------------------------------------------------------------------

    def _find(self, request: Request) -> Methods:
        path = request.path
        if self.host_routers:
            name = request.host.rpartition(":")[0] or request.host if not request.host.endswith("]") else request.host
            for pattern, router in self.host_routers:
                values = pattern.match(name)
                if values is not None:
                    found = self._match(router, request, path)
                    if found is not None:
                        request.params = (*values, *request.params)
                        return found
        found = self._match(self.router, request, path)
        return self.not_found if found is None else found

    def _match(self, router: Router[Methods], request: Request, path: str) -> Methods | None:
        found = router.match(path)
        if found is not None:
            request.params = found[1]
            return found[0]
        # A path such as `//host/` must not become the target of a redirect.
        other = None if path.startswith("//") else router.alternative(path)
        if other is None:
            return None
        found = router.match(other)
        if found is None:
            return None
        methods, params = found
        policy = methods.slashes
        if policy == "strict":
            return None
        if policy == "ignore":
            request.params = params
            return methods
        return self._methods(_redirect_to(other))

    def _methods(self, call: Call) -> Methods:
        wrapped = self.wrap(call)
        methods = Methods(lambda _: route)
        route = methods.any = BoundRoute("", "", (), self.limits, False, wrapped, self.on_error)
        return methods

    def new_methods(self) -> Methods:
        """Return the empty methods of a path."""
        return Methods(self._answer_other_methods)

    def _answer_other_methods(self, methods: Methods) -> BoundRoute:
        async def other_method(request: Request) -> Response:
            if request.method == "OPTIONS":
                return Response(b"", 204, {"allow": ", ".join(methods.allowed)})
            raise MethodNotAllowed(methods.allowed, f"{request.method} is not allowed here.")

        first = next(iter(methods.values()))
        return BoundRoute(first.name, first.path, first.param_names, self.limits, False, self.wrap(other_method), first.on_error)

    @staticmethod
    async def _raise_not_found(request: Request) -> Response:
        raise NotFound

    # -- check --------------------------------------------------------------------------------------------------------------

    async def _check_origin(self, request: Request) -> None:
        if self.csrf is not None and not self.csrf.check(request):
            await self.csrf.verify_token(request)

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

    def _finish(self, request: Request, response: Response) -> Response:
        """Let those who wait for the response have it: the session writes its cookie, a nonce enters the policy."""
        while request.finishers:
            try:
                request.finishers.pop()(request, response)
            except Exception as error:  # noqa: BLE001 - such as a session that has grown too large for its cookie
                self.problems.report(request, error)
                response = self.problems.render(request, error)
                if request._nonce is not None:
                    self.apply_nonce(request, response)
        return response


SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def _redirect_to(path: str) -> Call:
    async def redirect(request: Request) -> Response:
        from erlen.http.url import encode_path

        location = encode_path(request.root_path + path)
        if request.query_string:
            location += "?" + request.query_string
        return RedirectResponse(location, 308)

    return redirect
