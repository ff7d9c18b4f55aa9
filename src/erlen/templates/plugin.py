"""How templates meet the application."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from erlen.errors import ConfigurationError, Mistake
from erlen.templates.engine import Engine, Processor, Tools
from erlen.templates.error_pages import ErrorPages
from erlen.templates.folders import TemplateFolder, TemplateFolders

if TYPE_CHECKING:
    from erlen.app.plugin import Setup

__all__ = ["Templates"]

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
ContextFunction = TypeVar("ContextFunction", bound=Callable[..., Mapping[str, Any]])


class Templates:
    """Templates beyond a folder `templates`, which needs nothing: further folders, filters, tests, globals, values for every page.

    `app.use(Templates())`, `App(templates=…)` and `Blueprint(templates=…)` take one. A blueprint's filters, tests and globals are
    there for all templates (the application's win), its context functions only for its own routes.

    Args:
        folders: searched in this order before the application's own folder; relative to the file that makes the object.
    """

    name = "templates"
    requires: tuple[str, ...] = ()

    def __init__(self, *folders: str | Path) -> None:
        beside = Path(sys._getframe(1).f_code.co_filename).parent
        self.folders = tuple(beside / folder for folder in folders)
        self.tools = Tools({}, {}, {}, [])

    @overload
    def filter(self, function: AnyFunction, /) -> AnyFunction: ...
    @overload
    def filter(self, name: str, /) -> Callable[[AnyFunction], AnyFunction]: ...
    def filter(self, function: AnyFunction | str, /) -> AnyFunction | Callable[[AnyFunction], AnyFunction]:
        """Add a filter: `@templates.filter` under the function's name, `@templates.filter("name")` under another."""
        return _register(self.tools.filters, function)

    @overload
    def test(self, function: AnyFunction, /) -> AnyFunction: ...
    @overload
    def test(self, name: str, /) -> Callable[[AnyFunction], AnyFunction]: ...
    def test(self, function: AnyFunction | str, /) -> AnyFunction | Callable[[AnyFunction], AnyFunction]:
        """Add a test: `{% if number is prime %}`."""
        return _register(self.tools.tests, function)

    @overload
    def global_(self, function: AnyFunction, /) -> AnyFunction: ...
    @overload
    def global_(self, name: str, /) -> Callable[[AnyFunction], AnyFunction]: ...
    def global_(self, function: AnyFunction | str, /) -> AnyFunction | Callable[[AnyFunction], AnyFunction]:
        """Add a function that every template can call; for other values see `globals`."""
        return _register(self.tools.globals, function)

    @property
    def globals(self) -> dict[str, Any]:
        """Values that every template sees, by name: `templates.globals["version"] = "1.2"`."""
        return self.tools.globals

    def context(self, function: ContextFunction) -> ContextFunction:
        """Give every page the values that `def nav(request) -> dict` (or `def nav() -> dict`) returns.

        It runs each time a template is rendered; in an `async def` handler on the event loop, so it must be quick. Outside a request
        only functions without a parameter run.

        Raises:
            ConfigurationError: if the function is `async def` or takes more than the request.
        """
        import inspect

        code = getattr(function, "__code__", None)
        where = "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"
        name = getattr(function, "__qualname__", repr(function))
        if inspect.iscoroutinefunction(function):
            message = f"the context function {name} is `async def`, but templates are also rendered where nothing can wait"
            raise ConfigurationError(Mistake(message, where, "make it `def`, or await the value in the handler and give it to `render`"))
        parameters = inspect.signature(function).parameters.values()
        needed = [one for one in parameters if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        if len(needed) > 1:
            message = f"the context function {name} takes {len(needed)} parameters"
            raise ConfigurationError(Mistake(message, where, "take `request`, or nothing"))
        self.tools.processors.append(Processor(function, bool(needed)))
        return function

    def setup(self, setup: Setup) -> None:
        """Make the site's engine, its error pages and its check.

        Raises:
            ConfigurationError: if an application or blueprint was given something else than a folder or a `Templates`.
        """
        folders = [TemplateFolder(path) for path in self.folders]
        sources: list[tuple[Templates, str]] = [(self, "")]
        for folder in setup.folders("templates"):
            if folder.given is None:
                folders.append(TemplateFolder(folder.path, folder.names))
            elif isinstance(folder.given, Templates):
                own = folder.given.folders or (folder.path / "templates",)
                folders += [TemplateFolder(path, folder.names) for path in own]
                sources.append((folder.given, folder.names))
            else:
                whose = f"the blueprint {folder.names.removesuffix('.')!r}" if folder.names else "the application"
                raise ConfigurationError(
                    Mistake(f"the templates of {whose} are {folder.given!r}", str(folder.path), "give a folder or a `Templates`")
                )
        engine = Engine(
            TemplateFolders(list(dict.fromkeys(folders))),
            debug=setup.settings.debug,
            root=setup.root,
            tools=_tools_of(sources),
            shared=setup.extensions,
        )
        setup.share("templates", engine)
        setup.add_error_page(ErrorPages(engine).answer)
        setup.add_check(engine.check)

    def __repr__(self) -> str:
        return f"<Templates {', '.join(map(str, self.folders)) or 'in the default folders'}>"


def _tools_of(sources: list[tuple[Templates, str]]) -> Tools:
    """Return what applications and blueprints add; the application's is first here, and wins."""
    tools = Tools({}, {}, {}, [])
    for source, _ in reversed(sources):
        tools.filters |= source.tools.filters
        tools.tests |= source.tools.tests
        tools.globals |= source.tools.globals
    for source, names in dict.fromkeys(sources):
        tools.processors += [Processor(one.function, one.takes_request, names) for one in source.tools.processors]
    return tools


def _register(table: dict[str, Any], function: AnyFunction | str) -> AnyFunction | Callable[[AnyFunction], AnyFunction]:
    if not isinstance(function, str):
        table[function.__name__] = function
        return function
    name = function

    def register(function: AnyFunction) -> AnyFunction:
        table[name] = function
        return function

    return register
