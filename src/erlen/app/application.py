"""The application: what the first line of every Erlen program makes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from erlen.app.flatten import included
from erlen.app.plugin import Plugin
from erlen.app.routes import Routes, SlashPolicy, caller
from erlen.app.settings import Settings
from erlen.binding.dependency import Cleanup, is_generator_function
from erlen.binding.marker import Dependency
from erlen.binding.parameter import Providers, describe, location_of
from erlen.errors import ConfigurationError, Mistake
from erlen.routing.registry import Converters
from erlen.types import AnyHandler

if TYPE_CHECKING:
    from pathlib import Path

    from erlen.app.site import Site
    from erlen.routing.converter import Converter

__all__ = ["App"]

AnyPlugin = TypeVar("AnyPlugin", bound=Plugin)


class App(Routes):
    """An application; also a complete RSGI, ASGI 3 and WSGI application by itself.

    Args:
        settings: defaults in code, or the class, whose fields may be without; the environment wins.
        slashes: what happens to a request with one slash too many or too few at its end: `redirect` (by default), `strict` (404)
            or `ignore`.
        dependencies: `Depends(…)` called before every handler.
        templates: the folder of templates, relative to the file that makes the application.
        static: the folder of static files, likewise.
    """

    def __init__(
        self,
        settings: Settings | type[Settings] | None = None,
        *,
        slashes: SlashPolicy = "redirect",
        dependencies: tuple[Any, ...] = (),
        templates: str | Path | Plugin | None = None,
        static: str | Path | None = None,
    ) -> None:
        if isinstance(settings, str):  # as in Flask
            raise ConfigurationError(Mistake(f"App({settings!r}): an application has no name", caller()[0], "write `App()`"))
        super().__init__(slashes=slashes, dependencies=dependencies, templates=templates, static=static)
        self.settings: Settings | type[Settings] = Settings if settings is None else settings
        frame = sys._getframe(1)
        self.import_name: str = frame.f_globals.get("__name__", "__main__")
        self.file = frame.f_code.co_filename
        """The file that makes the application: relative paths in its settings start beside it."""
        self.plugins: list[tuple[Plugin, str]] = []
        self.providers = Providers()
        self.made_once: dict[type, Dependency] = {}
        """What provides one value for all requests of a site, by type."""
        self.converters = Converters()
        self.encoders: dict[type, Callable[[Any], Any]] = {}
        self.steps: list[Callable[..., Any] | tuple[Callable[[], Any] | None, Callable[[], Any] | None]] = []
        self._site: Site | None = None
        self._freezing = threading.RLock()
        # Servers tell ASGI from WSGI by looking whether `app.__call__` is a coroutine function; what they call is the class's.
        vars(self)["__call__"] = self._asgi

    # -- what it is made of ---------------------------------------------------------------------------------------------------

    def use(self, plugin: AnyPlugin) -> AnyPlugin:
        """Add a battery or any other plugin, and return it."""
        where, _ = caller()
        if isinstance(plugin, type):
            raise ConfigurationError(Mistake(f"{plugin.__qualname__} is a class", where, f"use an instance: `{plugin.__name__}(…)`"))
        fix = "a plugin has `name`, `requires` and `setup`; middleware goes to `add_middleware`"
        if not isinstance(plugin, Plugin):
            raise ConfigurationError(Mistake(f"{plugin!r} is no plugin", where, fix))
        self._append(self.plugins, (plugin, where))
        return plugin

    def provide(self, kind: type, provider: Any, *, scope: Literal["request", "app"] = "request", threaded: bool = True) -> None:
        """Let handlers and dependencies ask for a type: `def show(clock: Clock)`.

        Args:
            kind: the type, as parameters are annotated.
            provider: an instance; or what makes one, as for `Depends`.
            scope: `request` makes one for each request that asks, `app` one for all requests of a site, when it is first asked for.
                A provider of the latter takes nothing and yields nothing; `lifespan` is for what must be closed.
            threaded: as for `Depends`.

        Raises:
            ConfigurationError: if a provider for the scope `app` takes arguments or yields.
        """
        self._check_open()
        self.made_once.pop(kind, None)
        if not callable(provider) or _is_instance(provider, kind):
            self.providers.by_type[kind] = Dependency(lambda: provider, threaded=False)
        elif scope == "app":
            _check_made_once(kind, provider, caller()[0])
            self.made_once[kind] = Dependency(provider, threaded=threaded)
        else:
            self.providers.by_type[kind] = Dependency(provider, threaded=threaded)

    def encoder(self, kind: type) -> Callable[[AnyHandler], AnyHandler]:
        """Let handlers return `kind`: the decorated function makes a response of it, or anything else that can be answered."""
        self._check_open()

        def register(function: AnyHandler) -> AnyHandler:
            self.encoders[kind] = function
            return function

        return register

    def register_converter(self, name: str, converter: Converter) -> None:
        """Add a converter for path parameters: `{colour:hex}`."""
        self._check_open()
        self.converters.register(name, converter)

    def lifespan(self, function: AnyHandler) -> AnyHandler:
        """Run a generator function, `def` or `async def`, around the life of each worker: start, `yield`, stop."""
        return self._append(self.steps, function)

    def on_startup(self, function: AnyHandler) -> AnyHandler:
        """Call a function, `def` or `async def`, when a worker starts."""
        self._append(self.steps, (function, None))
        return function

    def on_shutdown(self, function: AnyHandler) -> AnyHandler:
        """Call a function, `def` or `async def`, when a worker stops; the last added is called first."""
        self._append(self.steps, (None, function))
        return function

    # -- what it becomes ------------------------------------------------------------------------------------------------------

    def freeze(self, overrides: Mapping[Any, Any] | None = None) -> Site:
        """Compile the application into an immutable site. Opens no connection.

        Args:
            overrides: for tests: settings by name, dependencies by the function they replace, provided values by type.

        Raises:
            ConfigurationError: listing every mistake with its place and fix.
        """
        from erlen.app.freeze import freeze

        return freeze(self, overrides or {})

    def read_settings(self, overrides: Mapping[str, Any] | None = None) -> tuple[Settings, dict[str, str]]:
        """Return the settings in force, and where each comes from.

        Raises:
            ConfigurationError: listing every value that is missing, unknown or does not fit.
        """
        from erlen.app.sources import read_settings

        return read_settings(self.settings, overrides=overrides, folder=os.path.dirname(self.file))

    @property
    def site(self) -> Site:
        """The frozen application, made on first use; registering afterwards raises."""
        if self._site is None:
            with self._freezing:  # two first requests in two threads of a WSGI server must not start two sites
                if self._site is None:
                    site = self.freeze()
                    for routes in included(self):
                        routes._closed = routes._closed or f"{self!r} is frozen"
                    # PERF: servers look this up once; what they find is the door's own method.
                    vars(self)["__rsgi__"] = site.rsgi.__rsgi__
                    self._site = site
        return self._site

    @property
    def run(self) -> NoReturn:
        """Not there, unlike in Flask: the command `erlen` serves an application. This says so to who runs the file with Python."""
        raise AttributeError("an App has no `run`: serve it with `erlen dev`, in production with `erlen run`", name="run", obj=self)

    def lifespan_steps(self, site: Site) -> list[tuple[Callable[[], Any] | None, Callable[[], Any] | None]]:
        """Return the pairs of start and stop functions of this application, for one site."""
        return [step if isinstance(step, tuple) else _start_and_stop(step, site) for step in self.steps]

    @property
    def lifespans(self) -> list[Callable[..., Any]]:
        """The functions that run when a worker starts or stops."""
        return [one for step in self.steps for one in (step if isinstance(step, tuple) else (step,)) if one is not None]

    # -- as an application of each interface ----------------------------------------------------------------------------------

    def __call__(self, scope: Any, receive: Any, send: Any = None) -> Any:
        """Answer as ASGI 3 (`scope, receive, send`) or as WSGI (`environ, start_response`)."""
        site = self._site or self.site
        return site.wsgi(scope, receive) if send is None else site.asgi(scope, receive, send)

    async def _asgi(self, scope: Any, receive: Any, send: Any) -> None:
        await self.site.asgi(scope, receive, send)

    def __rsgi__(self, scope: Any, proto: Any) -> Any:
        return self.site.rsgi.__rsgi__(scope, proto)

    def __rsgi_init__(self, loop: Any) -> None:
        self.site.rsgi.__rsgi_init__(loop)

    def __rsgi_del__(self, loop: Any) -> None:
        self.site.rsgi.__rsgi_del__(loop)

    def __repr__(self) -> str:
        return f"<App {self.import_name}>"


def _start_and_stop(function: Callable[..., Any], site: Site) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import inspect

    opened = Cleanup()
    takes_site = bool(inspect.signature(function).parameters)

    async def start() -> None:
        made = function(site) if takes_site else function()
        if isinstance(made, AsyncGenerator):
            await opened.aenter(made)
        elif isinstance(made, Generator):
            opened.enter(made)
        else:
            if inspect.iscoroutine(made):
                made.close()
            message = f"the lifespan {describe(function)} must `yield` once, between start and stop"
            raise ConfigurationError(Mistake(message, location_of(function)))

    return start, lambda: opened.close(None)


def _is_instance(value: object, kind: Any) -> bool:
    """Whether a callable is meant as the value itself, being of the type it stands for."""
    if isinstance(value, type) or not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return False
    return isinstance(value, kind)


def _check_made_once(kind: type, provider: Callable[..., Any], where: str) -> None:
    import inspect

    try:
        parameters = inspect.signature(provider).parameters.values()
    except (TypeError, ValueError):  # made in C
        return
    takes = any(one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters)
    if takes or is_generator_function(provider):
        message = f"the provider of {describe(kind)} for the whole application {'takes arguments' if takes else 'yields'}"
        fix = 'provide it with scope="request", or make it in `@app.lifespan` and provide what that made'
        raise ConfigurationError(Mistake(message, where, fix))
