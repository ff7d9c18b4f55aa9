"""How a battery meets the application: one object with `name`, `requires` and `setup` (DESIGN 2)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from msgspec import Struct

from erlen.app.flatten import included
from erlen.app.routes import IncludeRecord, Middleware, Routes
from erlen.binding.marker import Dependency
from erlen.binding.parameter import Providers, Resolver
from erlen.errors import Mistake

if TYPE_CHECKING:
    from pathlib import Path

    from erlen.app.application import App
    from erlen.app.blueprint import Blueprint
    from erlen.app.settings import Settings
    from erlen.http.request import Request
    from erlen.http.response import Response

__all__ = ["ErrorPage", "Folder", "Plugin", "Setup", "order_plugins", "plugins_of"]

Found = TypeVar("Found")
FolderKind: TypeAlias = Literal["templates", "static"]
ErrorPage: TypeAlias = "Callable[[Request, Exception, int], Response | None]"
"""Answers an error that has this status for people; None leaves it to the next."""


@runtime_checkable
class Plugin(Protocol):
    """What `app.use` takes. Erlen's own batteries have no other way in."""

    @property
    def name(self) -> str:
        """A short name, unique in an application."""
        ...

    @property
    def requires(self) -> Sequence[str]:
        """Names of plugins that must be used too, and are set up before this one."""
        ...

    def setup(self, setup: Setup) -> None:
        """Add what the plugin brings. Called once for each freeze; must not open a connection."""
        ...


class Folder(Struct, frozen=True):
    """A folder of templates or static files that an application or blueprint brings."""

    path: Path
    names: str
    """The prefix of the names of the blueprint's routes, such as `blog.`; empty for the application."""
    given: Any
    """What stands in place of a folder, such as a `Templates`, whose own paths begin at `path`; None where a folder was said."""
    beside: Path
    """The folder of the file that makes the application or blueprint."""


class Setup:
    """What a plugin may add to the site that is being frozen."""

    def __init__(self, app: App, routes: Routes, settings: Settings, providers: Providers, plugins: dict[str, Plugin]) -> None:
        self._app = app
        self.routes = routes
        """Routes, hooks, middleware, error handlers and commands of this site alone."""
        self._plugins = plugins
        self.settings = settings
        self.providers = providers
        self.startup: list[Callable[[], Any]] = []
        self.shutdown: list[Callable[[], Any]] = []
        self.checks: list[Callable[[Any], Sequence[Mistake]]] = []
        self.extensions: dict[str, Any] = {}
        self.encoders: dict[type, Callable[[Any], Any]] = {}
        self.fallbacks: list[Callable[[Request], Response | None]] = []
        self.error_pages: list[ErrorPage] = []

    @property
    def root(self) -> Path:
        """The folder of the file that makes the application."""
        from pathlib import Path

        return Path(self._app.file).absolute().parent

    def folders(self, kind: FolderKind) -> list[Folder]:
        """Return the folders of the application and of the blueprints that it includes, its own first.

        The application's is called as its kind is and stands beside its file, unless it says another; in debug mode it need not be
        there yet.
        """
        return list(_folders(self._app, kind, self._app.file, self.settings.debug, ""))

    def include(self, blueprint: Blueprint, *, prefix: str = "") -> None:
        """Add a blueprint to the site."""
        self.routes.include(blueprint, prefix=prefix)

    def add_middleware(self, middleware: Middleware) -> None:
        """Put middleware around every handler of the site, inside what the application itself added."""
        self.routes.add_middleware(middleware)

    def provide(self, kind: type, provider: Callable[..., Any], *, threaded: bool = True) -> None:
        """Let handlers ask for `kind`: `provider` is a dependency, as for `Depends`."""
        self.providers.by_type[kind] = Dependency(provider, True, threaded)

    def resolve(self, resolver: Resolver) -> None:
        """Ask `resolver(parameter, options)` about parameters that nothing else explains."""
        self.providers.resolvers.append(resolver)

    def encode(self, kind: type, encoder: Callable[[Any], Any]) -> None:
        """Let handlers return `kind`: `encoder(value)` makes a response of it, or anything else that can be answered."""
        self.encoders[kind] = encoder

    def add_fallback(self, answer: Callable[[Request], Response | None]) -> None:
        """Ask `answer(request)` where no route has the path, the first added first; None passes on. It must not wait for anything."""
        self.fallbacks.append(answer)

    def add_error_page(self, page: ErrorPage) -> None:
        """Ask `page(request, error, status)` to answer errors for people, the last added first; None passes on."""
        self.error_pages.insert(0, page)

    def on_startup(self, function: Callable[[], Any]) -> None:
        """Call a function, `def` or `async def`, when a worker starts."""
        self.startup.append(function)

    def on_shutdown(self, function: Callable[[], Any]) -> None:
        """Call a function when a worker stops; the last added is called first."""
        self.shutdown.append(function)

    def add_check(self, check: Callable[[Any], Sequence[Mistake]]) -> None:
        """Let `erlen check` call `check(site)`; what it returns is reported."""
        self.checks.append(check)

    def share(self, name: str, value: Any) -> None:
        """Leave something for other plugins and the site under `site.extensions[name]`."""
        self.extensions[name] = value

    def plugin(self, kind: type[Found]) -> Found | None:
        """Return the plugin of a class that this application uses, or None."""
        return next((plugin for plugin in self._plugins.values() if isinstance(plugin, kind)), None)


def _folders(routes: Routes, kind: FolderKind, file: str, debug: bool, names: str) -> Iterator[Folder]:
    from pathlib import Path

    root, given = Path(file).absolute().parent, getattr(routes, kind)
    if given is None and not names and (debug or (root / kind).is_dir()):
        given = kind
    if given is not None:
        yield Folder(root / given, names, None, root) if isinstance(given, (str, Path)) else Folder(root, names, given, root)
    for record in routes.records:
        if isinstance(record, IncludeRecord):
            blueprint = record.blueprint
            yield from _folders(blueprint, kind, blueprint.file, debug, f"{names}{record.name or blueprint.name}.")


def plugins_of(app: App, settings: Settings) -> list[tuple[Plugin, str]]:
    """Return what an application uses, each with its place, and the batteries that need no `app.use`.

    Those are templates and static files, where there is a folder of them or a build, and in debug mode the debug battery: last, so that
    its pages are asked first.
    """
    brings = {kind for routes in included(app) for kind in ("templates", "static") if getattr(routes, kind) is not None}
    places = {"templates": "templates", "static": "static", f"{settings.static_build}/static-manifest.json": "static"}
    beside = {kind for place, kind in places.items() if os.path.exists(os.path.join(os.path.dirname(app.file), place))}
    rooms = ({"templates", "static", "debug"} if settings.debug else brings | beside) - {plugin.name for plugin, _ in app.plugins}
    found = [(getattr(import_module(f"erlen.{room}.plugin"), room.title())(), "") for room in sorted(rooms)]
    return sorted([*found, *app.plugins], key=lambda pair: pair[0].name == "debug")


def order_plugins(plugins: Sequence[tuple[Plugin, str]]) -> tuple[list[Plugin], list[Mistake]]:
    """Order plugins so that each comes after what it requires.

    Args:
        plugins: each with the `file:line` that uses it.

    Returns:
        the plugins in the order of set-up, and what is missing, doubled or circular.
    """
    mistakes: list[Mistake] = []
    known: dict[str, tuple[Plugin, str]] = {}
    for plugin, where in plugins:
        if plugin.name in known:
            mistakes.append(Mistake(f"plugin {plugin.name!r} is used twice", where, f"remove one; the first is at {known[plugin.name][1]}"))
        known.setdefault(plugin.name, (plugin, where))
    ordered: dict[str, Plugin] = {}

    def visit(name: str, chain: tuple[str, ...]) -> None:
        if name in ordered:
            return
        if name in chain:
            mistakes.append(Mistake(f"plugins require each other in a circle: {' → '.join([*chain, name])}", known[name][1], "break it"))
            return
        plugin, where = known[name]
        for required in plugin.requires:
            if required in known:
                visit(required, (*chain, name))
            else:
                mistakes.append(Mistake(f"plugin {name!r} requires {required!r}, which is not used", where, "add it with `app.use(…)`"))
        ordered[name] = plugin

    for name in known:
        visit(name, ())
    return list(ordered.values()), mistakes
