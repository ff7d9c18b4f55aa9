"""Routes that have passed their checks, compiled into a pipeline of one colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from erlen.app.crossing import Crossing
from erlen.app.flatten import Flat
from erlen.app.layers import Chain, add_hooks, add_middleware
from erlen.app.pipeline import BoundRoute, Methods, Pipeline
from erlen.app.problems import Problems
from erlen.app.routes import Hooks, MountRecord, Policy, RouteRecord
from erlen.app.site import Site
from erlen.binding.dependency import colour_of
from erlen.binding.endpoint import Call, Endpoint, EndpointOptions
from erlen.errors import HTTPError
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.routing.pattern import HostPattern, Pattern
from erlen.routing.registry import Converters
from erlen.routing.tree import Router
from erlen.types import Colour

if TYPE_CHECKING:
    from erlen.doors.mount import MountedLifespan

__all__ = ["Checked", "CheckedMount", "CheckedRoute", "Compiler"]


class CheckedRoute(Struct, frozen=True, eq=False):
    """A route that can be compiled."""

    flat: Flat
    record: RouteRecord
    pattern: Pattern
    host: HostPattern | None
    options: EndpointOptions
    endpoint: Endpoint


class CheckedMount(Struct, frozen=True, eq=False):
    """A mounted application that can be compiled."""

    flat: Flat
    record: MountRecord
    pattern: Pattern
    host: HostPattern | None
    lifespan: MountedLifespan | None
    """An ASGI application's; a WSGI application has none."""


Checked: TypeAlias = CheckedRoute | CheckedMount


class Compiler:
    """Compiles a pipeline of one colour; `hops` says for each route how often a request to it changes its colour.

    Args:
        checked: the routes.
        site: whose protections and limits count.
        colour: the pipeline's.
        scopes: the application's own middleware, hooks and error handlers.
    """

    def __init__(self, checked: Sequence[Checked], site: Site, colour: Colour, scopes: tuple[Hooks, ...]) -> None:
        self.site = site
        self.crossing = Crossing(site, colour)
        self.problems = Problems(site, self.crossing)
        self.scopes = scopes
        on_error = self.problems.within(scopes).responder(colour)
        self.pipeline = Pipeline(site, wrap=self.wrap, on_error=on_error, problems=self.problems)
        self.hops = [self.add(one).hops for one in checked]
        self.pipeline.freeze()

    def add(self, one: Checked) -> Chain:
        """Compile a route and put it into the pipeline's router."""
        router = self.pipeline.router_for(one.host)
        return self.add_mount(one, router) if isinstance(one, CheckedMount) else self.add_route(one, router)

    def add_route(self, one: CheckedRoute, router: Router[Methods]) -> Chain:
        record, options = one.record, one.record.options
        scopes = one.flat.around.scopes
        errors = self.problems.within(_nearest_first(scopes))
        # `threaded=False` spares the loop's hop; on the WSGI door a `def` is in a thread anyway.
        colour = colour_of(record.handler, threaded=options.threaded or self.crossing.colour == "thread")
        guarded = bool(options.middleware) or any(scope.functions for scope in scopes)
        call = one.endpoint.write(colour, thread_call=self.crossing.call_in_thread, on_error=errors.responder(colour) if guarded else None)
        chain = Chain(call, colour, self.crossing, errors, one.endpoint.preload)
        if options.timeout is not None:
            chain = _with_timeout(chain, options.timeout)
        if options.deprecated:
            chain = add_middleware(chain, _Deprecated())
        for middleware in reversed(options.middleware):
            chain = add_middleware(chain, middleware)
        final = self.final(_in_scopes(chain, scopes))
        flat, csrf, on_error = one.flat, self.site.settings.csrf_protection and options.csrf, errors.responder(self.crossing.colour)
        names, limits = one.options.param_names, one.options.limits
        bound = BoundRoute(flat.name, flat.path, names, limits, csrf, final.call, on_error, flat.slashes, scopes)
        methods = router.endpoints(one.pattern)
        for method in record.methods:
            methods[method] = bound
        if "GET" in record.methods:
            methods.setdefault("HEAD", bound)
        return final

    def add_mount(self, one: CheckedMount, router: Router[Methods]) -> Chain:
        from erlen.doors.mount import asgi_endpoint, wsgi_endpoint

        prefix, scopes = one.flat.path.rstrip("/"), one.flat.around.scopes
        errors = self.problems.within(_nearest_first(scopes))
        if one.lifespan is not None:
            chain = Chain(asgi_endpoint(one.record.application, prefix, one.lifespan), "loop", self.crossing, errors)
        else:
            chain = Chain(wsgi_endpoint(one.record.application, prefix), "thread", self.crossing, errors, "body")
        final = self.final(_in_scopes(chain, scopes))
        on_error = errors.responder(self.crossing.colour)
        for path in {prefix or "/", f"{prefix}/", f"{prefix}/{{rest:path}}"}:
            pattern = Pattern.parse(path).resolve({}, Converters())
            names = (*(() if one.host is None else one.host.names), *pattern.names)
            router.endpoints(pattern).any = BoundRoute(
                one.flat.name, one.flat.path, names, self.site.limits, False, final.call, on_error, "strict", scopes
            )
        return final

    def wrap(self, call: Call, scopes: Sequence[Hooks] = ()) -> Call:
        """Put the application's own middleware and hooks around a call that waits for nothing, and so has the colour that suits them.

        Args:
            call: what answers where no route does.
            scopes: whose error handlers count, by default the application's.
        """
        functions = [function for scope in self.scopes for function in scope.functions]
        errors = self.problems.within(_nearest_first(scopes or self.scopes))
        if not functions:
            return call
        in_thread = self.crossing.colour == "thread" or all(isinstance(one, Policy) or colour_of(one) == "thread" for one in functions)
        colour: Colour = "thread" if in_thread else "loop"
        on_error = errors.responder(colour)

        async def guarded(request: Request) -> Response:
            try:
                return await call(request)
            except Exception as error:  # noqa: BLE001 - as in a route's endpoint: what is around looks at responses
                return await on_error(request, error)

        return self.final(_in_scopes(Chain(guarded, colour, self.crossing, errors), self.scopes)).call

    def final(self, chain: Chain) -> Chain:
        """Return the chain in the pipeline's colour."""
        return chain.on_loop() if self.crossing.colour == "loop" else chain.in_thread()


def _nearest_first(scopes: Sequence[Hooks]) -> tuple[Hooks, ...]:
    """Order scopes by whose error handlers win: the innermost blueprint's, …, the application's, those that plugins added."""
    return (*reversed(scopes[2:]), *scopes[:2])


def _in_scopes(chain: Chain, scopes: tuple[Hooks, ...]) -> Chain:
    for scope in reversed(scopes):
        chain = add_hooks(chain, scope)
        for middleware in reversed(scope.middleware):
            chain = add_middleware(chain, middleware)
    return chain


def _with_timeout(chain: Chain, seconds: float) -> Chain:
    import asyncio

    inner, on_error = chain.call, chain.errors.responder(chain.colour)

    async def timed(request: Request) -> Response:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await inner(request)
        except TimeoutError:
            # The handler's own TimeoutError is not ours.
            if not limit.expired():
                raise
        return await on_error(request, HTTPError(f"This took longer than {seconds:g} seconds.", status=504))

    return Chain(timed, chain.colour, chain.crossing, chain.errors, chain.preload, chain.hops)


class _Deprecated(Policy):
    """Marks responses of deprecated routes (RFC 9745)."""

    def after(self, request: Request, response: Response) -> Response:
        response.headers["deprecation"] = "@0"
        return response
