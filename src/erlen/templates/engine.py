"""The templates of a site: `site.extensions["templates"]`. Jinja is loaded by the first template that is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from erlen.errors import ErlenError, Mistake
from erlen.http.request import Request, active_request
from erlen.http.response import HTML, StreamResponse, transform
from erlen.templates.folders import TemplateFolders
from erlen.templates.page import Page
from erlen.templates.request_values import request_globals

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

    from erlen.app.site import Site
    from erlen.templates.environment import PageTemplate, TemplateEnvironment

__all__ = ["Engine", "Processor", "Tools"]


class Processor(Struct, frozen=True):
    """A function that gives every page values."""

    function: Callable[..., Any]
    takes_request: bool
    names: str = ""
    """Only for routes whose names begin so: those of a blueprint."""


class Tools(Struct):
    """What an application adds to Jinja: filters, tests and globals by name, and functions that give every page values."""

    filters: dict[str, Callable[..., Any]]
    tests: dict[str, Callable[..., Any]]
    globals: dict[str, Any]
    processors: list[Processor]


class Engine:
    """Renders the templates of a site, in a request or outside of one.

    Args:
        folders: where templates are found.
        debug: see changed files at once, and refuse variables that were not given.
        root: the application's folder, below which compiled templates are kept in production; None keeps none.
        tools: what the application adds to Jinja.
        shared: what plugins share with the site. `static` gives URLs of static files; `translations`, if there is one, translates.
    """

    def __init__(self, folders: TemplateFolders, *, debug: bool, root: Path | None, tools: Tools, shared: Mapping[str, Any]) -> None:
        self.folders = folders
        self.debug = debug
        self._root = root
        self._tools = tools
        self._shared = shared
        self._chosen: dict[str, tuple[Processor, ...]] = {}

    @cached_property
    def environment(self) -> TemplateEnvironment:
        """The Jinja environment; what is changed here counts for templates that were not yet rendered."""
        return self._make_environment(enable_async=False)

    @cached_property
    def async_environment(self) -> TemplateEnvironment:
        """The environment of templates that await."""
        return self._make_environment(enable_async=True)

    # -- rendering ------------------------------------------------------------------------------------------------------------

    def render(self, name: str | Sequence[str], /, **values: Any) -> Page:
        """Render a template; see `erlen.render`."""
        template, block = self._find(name, self.environment)
        if not template.escapes:
            raise _not_a_page(template)
        return Page(self._write(template, block, values))

    def render_text(self, name: str | Sequence[str], /, **values: Any) -> str:
        """Render a template to text; see `erlen.templates.render_text`."""
        return self._write(*self._find(name, self.environment), values)

    def render_string(self, source: str, /, **values: Any) -> Page:
        """Render a template given as text; see `erlen.templates.render_string`."""
        template: PageTemplate = self.environment.from_string(source)  # type: ignore[assignment]
        return Page(self._write(template, "", values))

    async def render_async(self, name: str | Sequence[str], /, **values: Any) -> Page:
        """Render a template that awaits; see `erlen.templates.render_async`."""
        template, block = self._find(name, self.async_environment)
        if not template.escapes:
            raise _not_a_page(template)
        context = template.new_context(self._values(values))
        try:
            if block:
                from erlen.templates.fragment import write_block_async

                return Page("".join([text async for text in write_block_async(template, context, block)]))
            return Page("".join([text async for text in template.root_render_func(context)]))  # type: ignore[attr-defined]
        except Exception:  # noqa: BLE001 - raised again, pointing at the template's own lines
            self.async_environment.handle_exception()

    def stream(self, name: str, /, **values: Any) -> StreamResponse:
        """Answer with a template as it renders; see `erlen.templates.stream_page`."""
        request = active_request.get(None)
        if request is not None:
            request.csp_nonce  # noqa: B018 - it must be in the headers, which leave before a template could ask for it
        on_loop = _is_on_loop()
        template, block = self._find(name, self.async_environment if on_loop else self.environment)
        if not template.escapes:
            raise _not_a_page(template)
        if block:
            raise ErlenError(f"{name!r} is one block of a template: render it, only whole pages are streamed")
        context = self._values(values)
        texts = template.generate_async(context) if on_loop else template.generate(context)
        pieces = _Pieces()
        return StreamResponse(transform(texts, pieces.take, pieces.rest), content_type=HTML)

    @cached_property
    def _sandbox(self) -> SandboxedEnvironment:
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        sandbox = ImmutableSandboxedEnvironment(autoescape=True)
        sandbox.globals = {name: sandbox.globals[name] for name in ("range", "dict", "namespace", "joiner", "cycler")}
        return sandbox

    def render_untrusted(self, source: str, /, **values: Any) -> Page:
        """Render a template that users wrote; see `erlen.templates.render_untrusted`."""
        return Page(self._sandbox.from_string(source).render(values))

    def check(self, site: Site) -> list[Mistake]:
        """Return the mistakes in all templates, for `erlen check`."""
        from erlen.templates.check import check_templates

        return check_templates(self, site)

    # -- means ----------------------------------------------------------------------------------------------------------------

    def _find(self, name: str | Sequence[str], environment: TemplateEnvironment) -> tuple[PageTemplate, str]:
        """Return a template, and the name of the block that is wanted of it, or an empty one."""
        if isinstance(name, str):
            if "#" not in name:
                return environment.get_template(name), ""
            name, _, block = name.partition("#")
            return environment.get_template(name), block
        blocks = {one.partition("#")[0]: one.partition("#")[2] for one in reversed(name)}
        template = environment.select_template([one.partition("#")[0] for one in name])
        return template, blocks[template.name or ""]

    def _write(self, template: PageTemplate, block: str, values: dict[str, Any]) -> str:
        context = template.new_context(self._values(values))
        try:
            if block:
                from erlen.templates.fragment import write_block

                return "".join(write_block(template, context, block))
            return "".join(template.root_render_func(context))
        except Exception:  # noqa: BLE001 - raised again, pointing at the template's own lines
            self.environment.handle_exception()

    def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what a template sees: the values given to it win over those that every page gets."""
        if not self._tools.processors:
            return given
        request = active_request.get(None)
        values: dict[str, Any] = {}
        for processor in self._processors_for(request):
            made = processor.function(request) if processor.takes_request else processor.function()
            if not isinstance(made, Mapping):
                name = getattr(processor.function, "__qualname__", processor.function)
                raise ErlenError(f"the context function {name} returned {type(made).__name__}: return a dict of values for templates")
            values.update(made)
        values.update(given)
        return values

    def _processors_for(self, request: Request | None) -> tuple[Processor, ...]:
        """Return the functions that count for a request: a blueprint's for its own routes; outside one, those that need none."""
        if request is None:
            return tuple(one for one in self._tools.processors if not one.takes_request and not one.names)
        route = "" if request.route is None else request.route.name
        if route not in self._chosen:
            self._chosen[route] = tuple(one for one in self._tools.processors if route.startswith(one.names))
        return self._chosen[route]

    def _make_environment(self, *, enable_async: bool) -> TemplateEnvironment:
        from erlen.templates.environment import TemplateEnvironment

        environment = TemplateEnvironment(self.folders, debug=self.debug, root=self._root, enable_async=enable_async)
        environment.globals.update(request_globals(self._shared))
        environment.filters.update(self._tools.filters)
        environment.tests.update(self._tools.tests)
        environment.globals.update(self._tools.globals)
        from gettext import NullTranslations

        environment.translate(self._shared.get("translations") or NullTranslations())
        return environment


def _not_a_page(template: PageTemplate) -> ErlenError:
    return ErlenError(f"{template.name} is plain text, in which values are not escaped: use `render_text`, or name it .html")


def _is_on_loop() -> bool:
    from asyncio import get_running_loop

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


class _Pieces:
    """Joins the many small texts that a template writes into fewer."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._size = 0

    def take(self, text: str) -> bytes:
        self._held.append(text)
        self._size += len(text)
        return self.rest() if self._size >= _PIECE else b""

    def rest(self) -> bytes:
        data = "".join(self._held).encode()
        self._held.clear()
        self._size = 0
        return data


_PIECE = 4096
