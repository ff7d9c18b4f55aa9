"""Freezing: what was recorded becomes an immutable site, and every mistake is reported at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from erlen.app.compile import Checked, CheckedMount, CheckedRoute, Compiler
from erlen.app.flatten import Around, Flat, flatten, included
from erlen.app.plugin import Setup, order_plugins, plugins_of
from erlen.app.protections import Protections, protect
from erlen.app.routes import MountRecord, RouteRecord, Routes
from erlen.app.settings import Settings
from erlen.app.site import RouteInfo, Site
from erlen.binding.dependency import colour_of
from erlen.binding.endpoint import EndpointOptions, build_endpoint
from erlen.binding.marker import Dependency
from erlen.binding.parameter import describe, location_of, short
from erlen.errors import ConfigurationError, Mistake, raise_all
from erlen.routing.pattern import HostPattern, Pattern
from erlen.routing.reverse import URLMap
from erlen.routing.tree import shape
from erlen.security.signing import Signer
from erlen.types import Colour

if TYPE_CHECKING:
    from erlen.app.application import App
    from erlen.doors.mount import MountedLifespan

__all__ = ["freeze"]


def freeze(app: App, overrides: Mapping[Any, Any]) -> Site:
    """Compile an application.

    Args:
        app: what to compile.
        overrides: settings by name, dependencies by the function they replace, provided values by type.

    Raises:
        ConfigurationError: with every mistake found.
    """
    settings, _ = app.read_settings({key: value for key, value in overrides.items() if isinstance(key, str)})
    return _Freezer(app, settings, {key: value for key, value in overrides.items() if not isinstance(key, str)}).freeze()


class _Freezer:
    def __init__(self, app: App, settings: Settings, overrides: Mapping[Any, Any]) -> None:
        self.app = app
        self.settings = settings
        self.mistakes: list[Mistake] = []
        self.protections: Protections = protect(settings, app.file, self.mistakes)
        self.converters = app.converters.copy()
        self.replaced: dict[Any, Callable[..., Any]] = {
            key: value if callable(value) else _constant(value) for key, value in overrides.items()
        }
        self.providers = app.providers.copy()
        if app.made_once:
            from erlen.app.once import once

            made_once = {kind: msgspec.structs.replace(made, call=once(made.call)) for kind, made in app.made_once.items()}
            self.providers.by_type.update(made_once)
        given = {Settings: _constant(settings), type(settings): _constant(settings), Signer: self.protections.require_signer}
        given |= {key: value for key, value in self.replaced.items() if isinstance(key, type)}
        self.providers.by_type.update({kind: Dependency(provider, threaded=False) for kind, provider in given.items()})
        self.extra = Routes()
        if settings.https_redirect:
            from erlen.app.policies import HttpsRedirect

            self.extra.add_middleware(HttpsRedirect())
        self.plugins, found = order_plugins([(plugin, short(where)) for plugin, where in plugins_of(app, settings)])
        self.mistakes += found
        self.setup = Setup(app, self.extra, settings, self.providers, {plugin.name: plugin for plugin in self.plugins})

    def freeze(self) -> Site:
        for plugin in self.plugins:
            try:
                plugin.setup(self.setup)
            except ConfigurationError as error:
                self.mistakes += error.mistakes
        scopes = (self.app.hooks, self.extra.hooks)
        outer = Around(scopes=scopes, dependencies=self.app.dependencies, slashes=self.app.slashes or "redirect")
        flats = [*flatten(self.app, outer, self.mistakes), *flatten(self.extra, Around(scopes=scopes), self.mistakes)]
        checked = [one for flat in flats if (one := self.check(flat)) is not None]
        urls = self.name(checked)
        self.find_duplicates(checked)
        raise_all(dict.fromkeys(self.mistakes))
        site = Site(self.settings, self.protections, urls, {plugin.name: plugin for plugin in self.plugins})
        self.furnish(site, flats, checked)
        compiler = Compiler(checked, site, "loop", scopes)
        site.open(compiler.pipeline, lambda: Compiler(checked, site, "thread", scopes).pipeline)
        site.routes = [_route_info(one, hops) for one, hops in zip(checked, compiler.hops, strict=True)]
        return site

    def check(self, flat: Flat) -> Checked | None:
        """Read a route's path, host and signature; what is wrong with them is noted."""
        try:
            pattern = Pattern.parse(flat.path)
            host = None if flat.host is None else HostPattern.parse(flat.host)
            names = (*(() if host is None else host.names), *pattern.names)
            if isinstance(flat.record, MountRecord):
                if names:
                    raise ValueError(f"{flat.path!r}: a mount has no parameters, since the mounted application could not see them")
                return CheckedMount(flat, flat.record, pattern.resolve({}, self.converters), host, _lifespan(flat.record))
            options = self.options(flat, flat.record, names)
            endpoint, wrong = build_endpoint(flat.record.handler, options)
            self.mistakes += wrong
            if endpoint is None:
                return None
            annotations = endpoint.path_annotations
            pattern = pattern.resolve(annotations, self.converters)
            host = None if host is None else host.resolve(annotations, self.converters)
        except (ValueError, LookupError) as error:
            self.mistakes.append(Mistake(f"route {error}", flat.where))
            return None
        self.check_use(flat, flat.record, set(annotations), takes_request=any(one.kind == "request" for one in endpoint.parameters))
        return CheckedRoute(flat, flat.record, pattern, host, options, endpoint)

    def check_use(self, flat: Flat, record: RouteRecord, taken: set[str], *, takes_request: bool) -> None:
        own = Pattern.parse(record.path).names if record.path.startswith("/") else ()
        unused = [name for name in own if name not in taken]
        if unused and not takes_request:
            shown = ", ".join(f"{{{name}}}" for name in unused)
            message = f"the path {flat.path!r} has {shown}, which {flat.name} does not take"
            self.mistakes.append(Mistake(message, flat.where, "add the parameter, or take `request`"))
        if record.options.timeout is not None and colour_of(record.handler) == "thread":
            message = f"{flat.name} has a timeout, but a `def` that runs in a thread cannot be stopped"
            self.mistakes.append(Mistake(message, flat.where, "make it `async def`, or drop `timeout`"))

    def options(self, flat: Flat, record: RouteRecord, names: tuple[str, ...]) -> EndpointOptions:
        options, limits = record.options, self.protections.limits
        if options.max_body_size is not None:
            limits = msgspec.structs.replace(limits, body_size=options.max_body_size)
        return EndpointOptions(
            name=f"{describe(record.handler)}()",
            where=flat.where,
            methods=frozenset(record.methods),
            param_names=names,
            colour=colour_of(record.handler, threaded=options.threaded),
            status=options.status,
            debug=self.settings.debug,
            limits=limits,
            providers=self.providers,
            overrides=self.replaced,
            localns=record.localns,
            view=record.view,
            encoders={**self.app.encoders, **self.setup.encoders},
            dependencies=(*flat.around.dependencies, *options.dependencies),
        )

    def name(self, checked: Sequence[Checked]) -> URLMap:
        """Give each route its name, once."""
        urls = URLMap()
        known: dict[str, Checked] = {}
        for one in checked:
            other = known.setdefault(one.flat.name, one)
            if other is one:
                try:
                    urls.add(one.flat.name, one.pattern, one.host)
                except ValueError as error:
                    self.mistakes.append(Mistake(f"route {error}", one.flat.where))
            elif other.flat.path != one.flat.path and _handler(other) is not _handler(one):
                places = f"{other.flat.where} and {one.flat.where}"
                self.mistakes.append(Mistake(f"two routes are named {one.flat.name!r}", places, 'give one another name: name="…"'))
        return urls

    def find_duplicates(self, checked: Sequence[Checked]) -> None:
        known: dict[tuple[str, str, str], Flat] = {}
        for one in checked:
            flat = one.flat
            for method in one.record.methods if isinstance(one, CheckedRoute) else ("*",):
                other = known.setdefault((flat.host or "", shape(one.pattern), method), flat)
                if other is not flat:
                    message = f"{method} {flat.path} is answered twice: by {other.name} ({other.path}) and {flat.name}"
                    self.mistakes.append(Mistake(message, f"{other.where} and {flat.where}", "remove one, or make the paths differ"))

    def furnish(self, site: Site, flats: Sequence[Flat], checked: Sequence[Checked]) -> None:
        """Give the site what it needs besides routes."""
        setup = self.setup
        mounted = [one.lifespan for one in checked if isinstance(one, CheckedMount) and one.lifespan is not None]
        site.lifespan = [
            *((lifespan.startup, lifespan.shutdown) for lifespan in mounted),
            *((start, None) for start in setup.startup),
            *((None, stop) for stop in setup.shutdown),
            *self.app.lifespan_steps(site),
        ]
        site.extensions = setup.extensions
        site.checks = setup.checks
        site.fallbacks = setup.fallbacks
        site.error_pages = setup.error_pages
        everywhere = dict.fromkeys([*included(self.app), *included(self.extra)])
        site.commands = [command for routes in everywhere for command in routes.commands]
        functions = [function for routes in everywhere for function in routes.hooks.functions]
        functions += [function for routes in everywhere for function in routes.hooks.errors.values()]
        functions += [function for one in checked if isinstance(one, CheckedRoute) for function in one.record.options.middleware]
        functions += [*self.app.lifespans, *setup.startup, *setup.shutdown]
        site.around = [(function, location_of(function)) for function in functions]
        prefixes = {id(flat.around.scopes[-1]): flat.around.names for flat in flats}
        site.url_defaults = [
            (prefixes.get(id(routes.hooks), ""), function) for routes in everywhere for function in routes.hooks.url_defaults
        ]


def _lifespan(record: MountRecord) -> MountedLifespan | None:
    if not _is_asgi(record):
        return None
    from erlen.doors.mount import MountedLifespan

    return MountedLifespan(record.application)


def _is_asgi(record: MountRecord) -> bool:
    """Tell an ASGI application from a WSGI one: as said, by its coroutine function, or by the number of its parameters."""
    if record.interface is not None:
        return record.interface == "asgi"
    import inspect

    application = record.application
    if inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(getattr(application, "__call__", None)):  # noqa: B004
        return True
    try:
        return len(inspect.signature(application).parameters) == 3
    except (TypeError, ValueError):
        return False


def _route_info(one: Checked, hops: int) -> RouteInfo:
    flat = one.flat
    around = tuple(describe(function) for scope in flat.around.scopes for function in scope.middleware)
    if isinstance(one, CheckedMount):
        colour: Colour = "thread" if one.lifespan is None else "loop"
        return RouteInfo(flat.name, flat.path, ("*",), flat.host, one.record.application, colour, hops, around, flat.where, is_mount=True)
    options = one.record.options
    return RouteInfo(
        name=flat.name,
        path=flat.path,
        methods=one.record.methods,
        host=flat.host,
        handler=one.record.handler,
        colour=one.options.colour,
        hops=hops,
        middleware=(*around, *(describe(function) for function in options.middleware)),
        where=flat.where,
        deprecated=options.deprecated,
        parameters=one.endpoint.parameters,
        returns=one.endpoint.returns,
        streams=one.endpoint.streams,
    )


def _handler(one: Checked) -> object:
    return one.record.handler if isinstance(one, CheckedRoute) else one.record


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
