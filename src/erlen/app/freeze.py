"""Freezing: what was recorded becomes an immutable site, and every mistake is reported at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from erlen.app.layers import Chain, Crossing, add_hooks, add_middleware
from erlen.app.pipeline import BoundRoute, Methods, Pipeline
from erlen.app.plugin import Setup, order_plugins
from erlen.app.problems import Problems
from erlen.app.routes import Hooks, IncludeRecord, MountRecord, Policy, RouteOptions, RouteRecord, Routes, SlashPolicy
from erlen.app.secret import signing_keys
from erlen.app.settings import Settings, resolve_settings
from erlen.app.site import Crossings, LoopCrossing, RouteInfo, Site, ThreadCrossing
from erlen.binding.dependency import colour_of
from erlen.binding.endpoint import Endpoint, EndpointOptions, build_endpoint
from erlen.binding.marker import Dependency
from erlen.binding.parameter import describe, location_of
from erlen.errors import ConfigurationError, HTTPError, Mistake
from erlen.http.limits import Limits
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.routing.pattern import HostPattern, Pattern
from erlen.routing.registry import Converters
from erlen.routing.reverse import URLMap
from erlen.routing.tree import Router, shape
from erlen.security.cookie_session import CookieSessions
from erlen.security.csrf import CsrfPolicy
from erlen.security.headers import ProtectiveHeaders
from erlen.security.hosts import HostPolicy
from erlen.security.proxies import Proxies
from erlen.security.signing import Signer

if TYPE_CHECKING:
    from erlen.app.application import App
    from erlen.doors.mount import MountedLifespan

__all__ = ["freeze"]

Call = Callable[[Request], Coroutine[Any, Any, Response]]


class Flat(Struct, eq=False):
    """A route with everything that the blueprints around it say."""

    record: RouteRecord | MountRecord
    path: str
    own_path: str
    name: str
    host: str | None
    scopes: tuple[Hooks, ...]
    dependencies: tuple[Any, ...]
    slashes: SlashPolicy


class Compiled(Struct, eq=False):
    """A route that has passed its checks."""

    flat: Flat
    pattern: Pattern
    host: HostPattern | None
    endpoint: Endpoint | None
    limits: Limits


def freeze(app: App, overrides: Mapping[Any, Any]) -> Site:
    """Compile an application.

    Raises:
        ConfigurationError: with every mistake found.
    """
    settings = resolve_settings(app.settings, overrides={key: value for key, value in overrides.items() if isinstance(key, str)})
    builder = _Builder(app, settings, overrides)
    return builder.build()


class _Builder:
    def __init__(self, app: App, settings: Settings, overrides: Mapping[Any, Any]) -> None:
        self.app = app
        self.settings = settings
        self.mistakes: list[Mistake] = []
        self.providers = app.providers.copy()
        self.providers.by_type[type(settings)] = self.providers.by_type[Settings] = Dependency(lambda: settings, True, False)
        self.replaced: dict[Any, Callable[..., Any]] = {}
        for key, value in overrides.items():
            if isinstance(key, type):
                self.providers.by_type[key] = Dependency(value if callable(value) else _constant(value), True, False)
            if not isinstance(key, str):
                self.replaced[key] = value if callable(value) else _constant(value)
        self.converters: Converters = app.converters.copy()
        self.crossings = Crossings(settings.threads)
        self.limits = limits_from(settings)
        self.extra = Routes()
        self.mounted: dict[int, MountedLifespan] = {}
        self.plugins, found = order_plugins(app.plugins)
        self.mistakes += found
        self.setup = Setup(self.extra, settings, self.providers, {plugin.name: plugin for plugin in self.plugins})

    def build(self) -> Site:
        for plugin in self.plugins:
            try:
                plugin.setup(self.setup)
            except ConfigurationError as error:
                self.mistakes += error.mistakes
        protections = self._protections()
        flats = list(self._flatten())
        compiled = [one for flat in flats if (one := self._check(flat)) is not None]
        urls = self._names(compiled)
        self._duplicates(compiled)
        if self.mistakes or protections is None:
            raise ConfigurationError(_unique(self.mistakes))
        hosts, proxies, csrf, headers, sessions = protections
        site = Site(
            settings=self.settings,
            limits=self.limits,
            hosts=hosts,
            proxies=proxies,
            csrf=csrf,
            headers=headers,
            sessions=sessions,
            crossings=self.crossings,
            plugins={plugin.name: plugin for plugin in self.plugins},
            extensions=self.setup.extensions,
        )
        site.urls = urls
        mounted = self._mounted_lifespans(compiled)
        site.lifespan = [
            *((lifespan.startup, lifespan.shutdown) for lifespan in mounted),
            *((start, None) for start in self.setup.startup),
            *((None, stop) for stop in self.setup.shutdown),
            *self.app.lifespan_steps(site),
        ]
        site.checks = self.setup.checks
        site.commands = [*self.app.commands, *self.extra.commands, *(command for one in self._blueprints() for command in one.commands)]
        scopes = {id(scope): scope for flat in flats for scope in flat.scopes}.values()
        around: list[Any] = [one for scope in scopes for one in (*scope.middleware, *scope.before, *scope.after, *scope.teardown)]
        site.around = [(function, _short(location_of(function))) for function in [*around, *self.app.lifespans]]
        site.url_defaults = [function for scope in (self.app, self.extra) for function in scope.hooks.url_defaults]

        def pipeline(crossing: Crossing, colour: str) -> tuple[Pipeline, list[Chain]]:
            return self._pipeline(compiled, crossing, colour, site)

        loop, chains = pipeline(LoopCrossing(self.crossings), "loop")
        site.open(loop, lambda: pipeline(ThreadCrossing(self.crossings), "thread")[0])
        site.routes = [_route_info(one, chain) for one, chain in zip(compiled, chains, strict=True)]
        return site

    def _mounted_lifespans(self, compiled: Sequence[Compiled]) -> list[MountedLifespan]:
        """Prepare to start and stop the mounted ASGI applications with the site."""
        for one in compiled:
            record = one.flat.record
            if isinstance(record, MountRecord) and (record.interface or _interface_of(record.application)) == "asgi":
                from erlen.doors.mount import MountedLifespan

                self.mounted[id(record)] = MountedLifespan(record.application)
        return list(self.mounted.values())

    # -- flatten ------------------------------------------------------------------------------------------------------------

    def _flatten(self) -> Iterator[Flat]:
        scopes = (self.app.hooks, self.extra.hooks)
        policy: SlashPolicy = self.app.slashes or "redirect"
        yield from self._walk(self.app, "", "", None, scopes, self.app.dependencies, policy, ())
        yield from self._walk(self.extra, "", "", None, scopes, (), policy, ())

    def _walk(
        self,
        routes: Routes,
        prefix: str,
        names: str,
        host: str | None,
        scopes: tuple[Hooks, ...],
        dependencies: tuple[Any, ...],
        slashes: SlashPolicy,
        chain: tuple[Routes, ...],
    ) -> Iterator[Flat]:
        for record in routes.records:
            if isinstance(record, IncludeRecord):
                blueprint = record.blueprint
                if blueprint in chain:
                    self.mistakes.append(
                        Mistake(f"blueprint {blueprint.name!r} includes itself", _short(record.where), "include it in one place")
                    )
                    continue
                yield from self._walk(
                    blueprint,
                    _join(prefix, record.prefix, blueprint.prefix),
                    f"{names}{record.name or blueprint.name}.",
                    record.host or blueprint.host or host,
                    (*scopes, blueprint.hooks),
                    (*dependencies, *blueprint.dependencies),
                    blueprint.slashes or slashes,
                    (*chain, blueprint),
                )
            elif isinstance(record, MountRecord):
                yield Flat(record, _join(prefix, record.path), record.path, names + record.name, host, scopes, (), "strict")
            else:
                options = record.options
                path = _join(prefix, record.path) or "/"
                yield Flat(
                    record,
                    path,
                    record.path,
                    names + record.name,
                    options.host or host,
                    scopes,
                    (*dependencies, *options.dependencies),
                    options.slashes or slashes,
                )

    def _blueprints(self) -> Iterator[Routes]:
        seen: list[Routes] = []
        stack: list[Routes] = [self.app, self.extra]
        while stack:
            for record in stack.pop().records:
                if isinstance(record, IncludeRecord) and record.blueprint not in seen:
                    seen.append(record.blueprint)
                    stack.append(record.blueprint)
        return iter(seen)

    # -- check --------------------------------------------------------------------------------------------------------------

    def _check(self, flat: Flat) -> Compiled | None:
        record = flat.record
        where = _short(record.where)
        try:
            pattern = Pattern.parse(flat.path)
            host = None if flat.host is None else HostPattern.parse(flat.host)
        except ValueError as error:
            self.mistakes.append(Mistake(f"route {flat.path!r}: {error}", where))
            return None
        if isinstance(record, MountRecord):
            return self._check_mount(flat, pattern, host)
        options = record.options
        limits = self.limits if options.max_body_size is None else msgspec.structs.replace(self.limits, body_size=options.max_body_size)
        colour = colour_of(record.handler, threaded=options.threaded)
        if options.timeout is not None and colour == "thread":
            self.mistakes.append(
                Mistake(
                    f"{flat.name} has a timeout, but a `def` that runs in a thread cannot be stopped",
                    where,
                    "make it `async def`, or drop `timeout`",
                )
            )
        names = (*(() if host is None else host.names), *pattern.names)
        endpoint, wrong = build_endpoint(record.handler, self._options(flat, names, limits, LoopCrossing(self.crossings), None))
        self.mistakes += wrong
        if endpoint is None:
            return None
        try:
            resolved = pattern.resolve(endpoint.path_annotations, self.converters)
            host = None if host is None else host.resolve(endpoint.path_annotations, self.converters)
        except (ValueError, LookupError) as error:
            self.mistakes.append(Mistake(f"route {flat.path!r}: {error}", where))
            return None
        kinds = {parameter.kind for parameter in endpoint.parameters}
        own = set(Pattern.parse(flat.own_path).names if flat.own_path.startswith("/") else ())
        unused = sorted(own - set(endpoint.path_annotations))
        if unused and "request" not in kinds and record.view is None:
            shown = ", ".join(f"{{{name}}}" for name in unused)
            self.mistakes.append(
                Mistake(
                    f"the path {flat.path!r} has {shown}, which {flat.name} does not take", where, "add the parameter, or take `request`"
                )
            )
        return Compiled(flat, resolved, host, endpoint, limits)

    def _check_mount(self, flat: Flat, pattern: Pattern, host: HostPattern | None) -> Compiled | None:
        if pattern.names:
            self.mistakes.append(
                Mistake(f"the mount {flat.path!r} has parameters, which the mounted application could not see", _short(flat.record.where))
            )
            return None
        resolved = None if host is None else host.resolve({}, self.converters)
        return Compiled(flat, pattern.resolve({}, self.converters), resolved, None, self.limits)

    def _options(self, flat: Flat, names: tuple[str, ...], limits: Limits, crossing: Crossing, on_error: Any) -> EndpointOptions:
        record = flat.record
        assert isinstance(record, RouteRecord)
        options: RouteOptions = record.options
        view = None if record.view is None else record.view
        return EndpointOptions(
            name=f"{describe(record.handler)}()",
            where=_short(record.where),
            methods=frozenset(record.methods),
            param_names=names,
            colour=colour_of(record.handler, threaded=options.threaded),
            status=options.status,
            debug=self.settings.debug,
            limits=limits,
            providers=self.providers,
            overrides=self.replaced,
            thread_call=crossing.call_in_thread,
            on_error=on_error,
            localns=record.localns,
            view=view,
            dependencies=tuple(one for one in flat.dependencies),
        )

    def _names(self, compiled: Sequence[Compiled]) -> URLMap:
        urls = URLMap()
        known: dict[str, Compiled] = {}
        for one in compiled:
            name = one.flat.name
            other = known.get(name)
            if other is None:
                known[name] = one
                urls.add(name, one.pattern, one.host)
                continue
            first, second = other.flat.record, one.flat.record
            same = (
                isinstance(first, RouteRecord)
                and isinstance(second, RouteRecord)
                and (first.handler is second.handler or other.flat.path == one.flat.path)
            )
            if not same:
                self.mistakes.append(
                    Mistake(
                        f"two routes are named {name!r}",
                        f"{_short(first.where)} and {_short(second.where)}",
                        'give one another name: name="…"',
                    )
                )
        return urls

    def _duplicates(self, compiled: Sequence[Compiled]) -> None:
        known: dict[tuple[str, str, str], Compiled] = {}
        for one in compiled:
            record = one.flat.record
            for method in record.methods if isinstance(record, RouteRecord) else ("*",):
                key = (one.flat.host or "", shape(one.pattern), method)
                other = known.setdefault(key, one)
                if other is not one:
                    self.mistakes.append(
                        Mistake(
                            f"{method} {one.flat.path} is answered twice: by {other.flat.name} ({other.flat.path}) and {one.flat.name}",
                            f"{_short(other.flat.record.where)} and {_short(record.where)}",
                            "remove one, or make the paths differ",
                        )
                    )

    # -- compile ------------------------------------------------------------------------------------------------------------

    def _pipeline(self, compiled: Sequence[Compiled], crossing: Crossing, colour: str, site: Site) -> tuple[Pipeline, list[Chain]]:
        problems = Problems(debug=self.settings.debug, crossing=crossing, observers=site.failure_observers)
        loop = colour == "loop"
        root: tuple[Hooks, ...] = (self.app.hooks, self.extra.hooks)
        outer = problems.responder(root, "loop" if loop else "thread")

        def wrap(call: Call) -> Call:
            """Put the application's own middleware around an answer that belongs to no route."""
            chain = self._around(call, root, crossing, problems)
            return (chain.on_loop() if loop else chain.in_thread()).call

        router: Router[Methods]
        by_host: dict[str, tuple[HostPattern, Router[Methods]]] = {}

        def new_methods() -> Methods:
            return pipeline.new_methods()

        router = Router(new_methods)
        for one in compiled:
            if one.host is not None and one.host.template not in by_host:
                by_host[one.host.template] = (one.host, Router(new_methods))
        pipeline = Pipeline(
            router=router,
            host_routers=sorted(by_host.values(), key=lambda pair: len(pair[0].names)),
            wrap=wrap,
            on_error=outer,
            hosts=site.hosts,
            proxies=site.proxies,
            csrf=site.csrf if self.settings.csrf_protection else None,
            problems=problems,
            compression=self._compression(),
            limits=self.limits,
            apply_nonce=site.allow_nonce,
        )
        chains = []
        for one in compiled:
            target = router if one.host is None else by_host[one.host.template][1]
            chain = (
                self._mounted(one, target, crossing, problems, loop, outer)
                if one.endpoint is None
                else self._routed(one, target, crossing, problems, loop)
            )
            chains.append(chain)
        router.freeze()
        for _, host_router in by_host.values():
            host_router.freeze()
        pipeline.static = {} if by_host else router.static
        return pipeline, chains

    def _routed(self, one: Compiled, router: Router[Methods], crossing: Crossing, problems: Problems, loop: bool) -> Chain:
        flat = one.flat
        record = flat.record
        assert isinstance(record, RouteRecord)
        options = record.options
        names = (*(() if one.host is None else one.host.names), *one.pattern.names)
        colour = colour_of(record.handler, threaded=options.threaded or not loop)
        nearest = tuple(reversed(flat.scopes))
        guarded = bool(options.middleware) or any(_is_around(scope) for scope in flat.scopes)
        on_error = problems.responder(nearest, colour) if guarded else None
        endpoint, wrong = build_endpoint(
            record.handler, msgspec.structs.replace(self._options(flat, names, one.limits, crossing, on_error), colour=colour)
        )
        if endpoint is None:
            raise ConfigurationError(wrong)
        chain = Chain(endpoint.call, colour, crossing, endpoint.preload)
        if options.timeout is not None:
            chain = _with_timeout(chain, options.timeout)
        if options.deprecated:
            chain = add_middleware(chain, _Deprecated())
        for middleware in reversed(options.middleware):
            chain = add_middleware(chain, middleware)
        chain = _in_scopes(chain, flat.scopes)
        final = chain.on_loop() if loop else chain.in_thread()
        bound = BoundRoute(
            flat.name,
            flat.path,
            names,
            one.limits,
            self.settings.csrf_protection and options.csrf,
            final.call,
            problems.responder(nearest, "loop" if loop else "thread"),
            flat.slashes,
        )
        methods = router.endpoints(one.pattern)
        for method in record.methods:
            methods[method] = bound
        if "GET" in record.methods:
            methods.setdefault("HEAD", bound)
        return final

    def _mounted(self, one: Compiled, router: Router[Methods], crossing: Crossing, problems: Problems, loop: bool, outer: Any) -> Chain:
        from erlen.doors.mount import asgi_endpoint, wsgi_endpoint

        record = one.flat.record
        assert isinstance(record, MountRecord)
        prefix = one.flat.path.rstrip("/")
        interface = record.interface or _interface_of(record.application)
        if interface == "asgi":
            inner = Chain(asgi_endpoint(record.application, prefix, self.mounted[id(record)]), "loop", crossing)
        else:
            inner = Chain(wsgi_endpoint(record.application, prefix), "thread", crossing, "body")
        chain = _in_scopes(inner, one.flat.scopes)
        final = chain.on_loop() if loop else chain.in_thread()
        bound = BoundRoute(one.flat.name, one.flat.path, (), one.limits, False, final.call, outer, "strict")
        for path in (prefix or "/", f"{prefix}/{{rest:path}}"):
            router.endpoints(Pattern.parse(path).resolve({}, self.converters)).any = bound
        return final

    def _around(self, call: Call, scopes: tuple[Hooks, ...], crossing: Crossing, problems: Problems) -> Chain:
        """Put scopes around a call that waits for nothing, and so has whichever colour suits them."""
        functions: list[Any] = [one for scope in scopes for one in (*scope.middleware, *scope.before, *scope.after, *scope.teardown)]
        if not functions:
            return (
                Chain(call, "loop", crossing)
                if isinstance(crossing, LoopCrossing) and not isinstance(crossing, ThreadCrossing)
                else Chain(call, "thread", crossing)
            )
        threads = all(isinstance(one, Policy) or colour_of(one) == "thread" for one in functions) or isinstance(crossing, ThreadCrossing)
        on_error = problems.responder(tuple(reversed(scopes)), "thread" if threads else "loop")

        async def guarded(request: Request) -> Response:
            try:
                return await call(request)
            except Exception as error:  # noqa: BLE001 - as in a route's endpoint: what is around looks at responses
                return await on_error(request, error)

        return _in_scopes(Chain(guarded, "thread" if threads else "loop", crossing), scopes)

    # -- protections --------------------------------------------------------------------------------------------------------

    def _protections(self) -> tuple[HostPolicy, Proxies, CsrfPolicy, ProtectiveHeaders, CookieSessions] | None:
        settings = self.settings
        made: list[Any] = []
        keys = signing_keys(settings, self.app.folder)
        for make in (
            lambda: HostPolicy(settings.allowed_hosts),
            lambda: Proxies(settings.trusted_proxies),
            lambda: CsrfPolicy(settings.trusted_origins),
            lambda: ProtectiveHeaders(
                content_security_policy=settings.content_security_policy or None,
                content_security_policy_report_only=settings.content_security_policy_report_only or None,
                frame_options=settings.frame_options or None,
                referrer_policy=settings.referrer_policy or None,
                cross_origin_opener_policy=settings.cross_origin_opener_policy or None,
                nosniff=settings.content_type_nosniff,
                # Browsers apply it to localhost on every port, so that development over TLS would spoil the other servers there.
                hsts_seconds=0 if settings.debug else settings.hsts_seconds,
                hsts_include_subdomains=settings.hsts_include_subdomains,
                hsts_preload=settings.hsts_preload,
                permissions_policy=settings.permissions_policy or None,
            ),
            lambda: CookieSessions(Signer(keys) if keys else None, name=settings.session_cookie, max_age=settings.session_max_age),
        ):
            try:
                made.append(make())
            except ConfigurationError as error:
                self.mistakes += error.mistakes
        return tuple(made) if len(made) == 5 else None

    def _compression(self) -> Any:
        if not self.settings.compression:
            return None
        from erlen.http.compression import Compression

        return Compression()


def limits_from(settings: Settings) -> Limits:
    """Return the limits that the settings say."""
    return Limits(
        body_size=settings.max_body_size,
        body_timeout=settings.body_timeout,
        form_fields=settings.max_form_fields,
        form_files=settings.max_form_files,
        field_size=settings.max_field_size,
        header_count=settings.max_header_count,
        header_size=settings.max_header_size,
        target_size=settings.max_target_size,
        json_depth=settings.max_json_depth,
    )


def _in_scopes(chain: Chain, scopes: tuple[Hooks, ...]) -> Chain:
    for scope in reversed(scopes):
        chain = add_hooks(chain, scope)
        for middleware in reversed(scope.middleware):
            chain = add_middleware(chain, middleware)
    return chain


def _is_around(scope: Hooks) -> bool:
    return bool(scope.middleware or scope.before or scope.after or scope.teardown)


def _with_timeout(chain: Chain, seconds: float) -> Chain:
    inner = chain.call

    async def timed(request: Request) -> Response:
        import asyncio

        try:
            return await asyncio.wait_for(inner(request), seconds)
        except TimeoutError:
            raise HTTPError(f"This took longer than {seconds:g} seconds.", status=504) from None

    return Chain(timed, chain.colour, chain.crossing, chain.preload, chain.hops)


class _Deprecated:
    """Marks responses of deprecated routes (RFC 9745)."""

    def before(self, request: Request) -> Response | None:
        return None

    def after(self, request: Request, response: Response) -> Response:
        response.headers["deprecation"] = "@0"
        return response


def _route_info(one: Compiled, chain: Chain) -> RouteInfo:
    record = one.flat.record
    is_route = isinstance(record, RouteRecord)
    middleware = [describe(function) for scope in one.flat.scopes for function in scope.middleware]
    if isinstance(record, RouteRecord):
        middleware += [describe(function) for function in record.options.middleware]
    return RouteInfo(
        name=one.flat.name,
        path=one.flat.path,
        methods=record.methods if isinstance(record, RouteRecord) else ("*",),
        host=one.flat.host,
        handler=record.handler if isinstance(record, RouteRecord) else record.application,
        colour=colour_of(record.handler, threaded=record.options.threaded) if isinstance(record, RouteRecord) else "loop",
        hops=chain.hops,
        middleware=tuple(middleware),
        where=_short(record.where),
        deprecated=isinstance(record, RouteRecord) and record.options.deprecated,
        parameters=() if one.endpoint is None else one.endpoint.parameters,
        returns=None if one.endpoint is None else one.endpoint.returns,
        streams=None if one.endpoint is None else one.endpoint.streams,
        is_mount=not is_route,
    )


def _interface_of(application: Any) -> str:
    """Tell an ASGI application from a WSGI one: by its coroutine function, or the number of its parameters."""
    import inspect

    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(getattr(application, "__call__", None)):  # noqa: B004
        return "asgi"
    try:
        return "asgi" if len(inspect.signature(application).parameters) == 3 else "wsgi"
    except (TypeError, ValueError):
        return "wsgi"


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _join(*parts: str) -> str:
    joined = ""
    for part in parts:
        if part and not part.startswith("/"):
            joined = joined.rstrip("/") + "/" + part
        else:
            joined = joined.rstrip("/") + part
    return joined


def _short(where: str) -> str:
    """Return a location relative to the current folder, where that is shorter."""
    try:
        shown = os.path.relpath(where)
    except ValueError:
        return where
    return where if shown.startswith("..") else shown


def _unique(mistakes: list[Mistake]) -> list[Mistake]:
    return list(dict.fromkeys(mistakes))
