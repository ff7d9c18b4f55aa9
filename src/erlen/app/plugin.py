"""How a battery meets the application: one object with `name`, `requires` and `setup` (DESIGN 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from erlen.binding.marker import Dependency
from erlen.binding.parameter import Providers, Resolver
from erlen.errors import Mistake

if TYPE_CHECKING:
    from erlen.app.blueprint import Blueprint
    from erlen.app.routes import Middleware, Routes
    from erlen.app.settings import Settings

__all__ = ["Plugin", "Setup", "order_plugins"]

Found = TypeVar("Found")


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


class Setup:
    """What a plugin may add to the site that is being frozen."""

    def __init__(self, routes: Routes, settings: Settings, providers: Providers, plugins: dict[str, Plugin]) -> None:
        self._routes = routes
        self._plugins = plugins
        self.settings = settings
        self.providers = providers
        self.startup: list[Callable[[], Any]] = []
        self.shutdown: list[Callable[[], Any]] = []
        self.checks: list[Callable[[Any], Sequence[Mistake]]] = []
        self.extensions: dict[str, Any] = {}
        self.encoders: dict[type, Callable[[Any], Any]] = {}

    @property
    def routes(self) -> Routes:
        """Routes, hooks, middleware, error handlers and commands of this site alone."""
        return self._routes

    def include(self, blueprint: Blueprint, *, prefix: str = "") -> None:
        """Add a blueprint to the site."""
        self._routes.include(blueprint, prefix=prefix)

    def add_middleware(self, middleware: Middleware) -> None:
        """Put middleware around every handler of the site, inside what the application itself added."""
        self._routes.add_middleware(middleware)

    def provide(self, kind: type, provider: Callable[..., Any], *, threaded: bool = True) -> None:
        """Let handlers ask for `kind`: `provider` is a dependency, as for `Depends`."""
        self.providers.by_type[kind] = Dependency(provider, True, threaded)

    def resolve(self, resolver: Resolver) -> None:
        """Ask `resolver(parameter)` about parameters that nothing else explains."""
        self.providers.resolvers.append(resolver)

    def encode(self, kind: type, encoder: Callable[[Any], Any]) -> None:
        """Let handlers return `kind`: `encoder(value)` makes a response of it, or anything else that can be answered."""
        self.encoders[kind] = encoder

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
        for plugin in self._plugins.values():
            if isinstance(plugin, kind):
                return plugin
        return None


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
    ordered: list[Plugin] = []
    state: dict[str, str] = {}

    def visit(name: str, chain: tuple[str, ...]) -> None:
        if state.get(name) == "done":
            return
        if state.get(name) == "open":
            mistakes.append(Mistake(f"plugins require each other in a circle: {' → '.join([*chain, name])}", known[name][1], "break it"))
            return
        state[name] = "open"
        plugin, where = known[name]
        for required in plugin.requires:
            if required in known:
                visit(required, (*chain, name))
            else:
                mistakes.append(
                    Mistake(f"plugin {name!r} requires {required!r}, which is not used", where, f"add `app.use(…)` for {required!r}")
                )
        state[name] = "done"
        ordered.append(plugin)

    for name in known:
        visit(name, ())
    return ordered, mistakes
