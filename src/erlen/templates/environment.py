"""Jinja as Erlen uses it: what compiles, loads and runs templates. Loaded by the first template that is rendered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import cached_property
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, NoReturn, cast

import msgspec
from jinja2 import BaseLoader, Environment, Template, TemplateError, TemplateNotFound, Undefined, UndefinedError
from jinja2.environment import TemplateModule
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Macro
from jinja2.utils import internalcode, missing

from erlen.templates.bytecode import PrivateCache, private_folder
from erlen.templates.component import ComponentExtension, component
from erlen.templates.filters import FILTERS, GLOBALS, TESTS
from erlen.templates.folders import TemplateFolders
from erlen.templates.generator import LiveCodeGenerator
from erlen.templates.mistakes import MissingTemplate, NamedUndefined
from erlen.templates.place import line_note, names_line
from erlen.templates.request_values import CurrentRequest, LateText

__all__ = ["PageContext", "PageTemplate", "TemplateEnvironment", "escapes"]


class PageContext(Context):
    """The variables of one template while it runs. Globals are looked up, not copied in for each page."""

    def __init__(
        self,
        environment: Environment,
        parent: dict[str, Any],
        name: str | None,
        blocks: dict[str, Callable[[Context], Any]],
        globals: MutableMapping[str, Any] | None = None,
    ) -> None:
        # PERF: 0.5 µs; Jinja's own takes 1.4, since it asks at once whether the template escapes.
        self.parent = parent
        self.vars = {}
        self.environment = environment
        self.exported_vars = set()
        self.name = name
        self.globals_keys = set()
        self.blocks = {block: [function] for block, function in blocks.items()} if blocks else {}
        self.given: Mapping[str, Any] | None = None
        """What a component is called with."""
        self.looked_up = False
        """Whether anything was looked up that may differ between requests."""

    @cached_property
    def eval_ctx(self) -> EvalContext:  # type: ignore[override] # it can be set, and is where contexts share one
        """What the template knows of escaping while it runs, made when it first asks: few do."""
        return EvalContext(self.environment, self.name)

    def resolve_or_missing(self, key: str) -> Any:
        """Return a variable: set in the template, given to it, or global."""
        if key in self.vars:
            return self.vars[key]
        if key in self.parent:
            return self.parent[key]
        self.looked_up = True
        value: Any = self.environment.globals.get(key, missing)
        return value.read() if value.__class__ is CurrentRequest else value

    @internalcode
    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function for the template; one that is marked so gets the context, or the environment, first.

        PERF: calling a plain function costs 0.4 µs; Jinja's way asks it and its `__call__` for such a mark, which makes it 1.2.
        """
        if type(function) is Macro:  # marked as one that takes this
            args = (self.eval_ctx, *args)
        elif type(function) not in _PLAIN or hasattr(function, "jinja_pass_arg"):
            return super().call(function, *args, **kwargs)
        kwargs.pop("_block_vars", None)
        kwargs.pop("_loop_vars", None)
        try:
            return function(*args, **kwargs)
        except StopIteration:
            return self.environment.undefined("value was undefined because a callable raised a StopIteration exception")


class PageTemplate(Template):
    """A compiled template."""

    escapes = True
    """Whether values are escaped, so that what it makes is HTML."""

    def new_context(self, vars: dict[str, Any] | None = None, shared: bool = False, locals: Mapping[str, Any] | None = None) -> PageContext:
        """Return a context with these variables, which are not copied."""
        values = {} if vars is None else vars
        if locals:
            values = {**values, **{name: value for name, value in locals.items() if value is not missing}}
        return PageContext(self.environment, values, self.name, self.blocks)

    # Jinja keeps what an imported template makes, and what one included without context writes, for all requests. Here it is kept
    # only where it is macros and nothing else, or one visitor's values could reach another.

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        if self._module is not None:
            return self._module
        context = self.new_context()
        return self._keep(TemplateModule(self, context), context)

    async def _get_default_module_async(self, ctx: Context | None = None) -> TemplateModule:
        if self._module is not None:
            return self._module
        context = self.new_context()
        body = [text async for text in self.root_render_func(context)]  # type: ignore[attr-defined]
        return self._keep(TemplateModule(self, context, body), context)

    def _keep(self, module: TemplateModule, context: PageContext) -> TemplateModule:
        own = self.root_render_func.__globals__
        macros = all(isinstance(value, Macro) and value._func.__globals__ is own for value in context.vars.values())
        if macros and not context.looked_up and not str(module).strip():
            self._module = module
        return module


class TemplateEnvironment(Environment):
    """The environment of a site's templates.

    Args:
        folders: where templates are found.
        debug: look for changed files at each use, and refuse variables that were not given.
        root: the application's folder, below which compiled templates are kept in production.
        enable_async: compile templates that await.
    """

    template_class = PageTemplate
    context_class = PageContext
    code_generator_class = LiveCodeGenerator

    def __init__(self, folders: TemplateFolders, *, debug: bool, root: Path | None, enable_async: bool = False) -> None:
        self._source = FolderLoader(folders)
        kept = private_folder(root) if root is not None and not debug else None
        super().__init__(
            loader=self._source,
            extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols", "jinja2.ext.do", ComponentExtension],
            optimized=False,
            undefined=NamedUndefined if debug else Undefined,
            autoescape=escapes,
            cache_size=0,
            auto_reload=debug,
            bytecode_cache=None if kept is None else PrivateCache(kept),
            enable_async=enable_async,
        )
        self.loaded: dict[str, PageTemplate] = {}
        self.filters.update(FILTERS)
        self.tests.update(TESTS)
        self.globals.update(GLOBALS)
        own: dict[str, Any] = {"component": component, "debug": debug}
        self.globals.update(own)
        self.policies["json.dumps_function"] = _dump_json

    def translate(self, translations: Any) -> None:
        """Let `_`, `gettext`, `ngettext`, `pgettext`, `npgettext` and `{% trans %}` ask an object with methods of these names.

        It is asked at each call, so that it can answer in the language of the request.
        """
        # Jinja's names, installed by its extension with a signature that type checkers cannot see.
        install: Callable[..., None] = vars(self)["install_gettext_callables"]
        names = ("gettext", "ngettext", "pgettext", "npgettext")
        gettext, ngettext, pgettext, npgettext = (getattr(translations, name) for name in names)
        install(gettext, ngettext, newstyle=True, pgettext=pgettext, npgettext=npgettext)

    def handle_exception(self, source: str | None = None) -> NoReturn:
        """Raise the exception that is being handled, with the template's own lines in its traceback, and the innermost as a note.

        The traceback goes through the handler and what renders; the line to look at stands by itself at its end, where it is seen
        first, unless the message names it there.
        """
        try:
            super().handle_exception(source)
        except Exception as error:
            note = line_note(error.__traceback__)
            if note and note not in getattr(error, "__notes__", ()) and not names_line(error):
                error.add_note(note)
            raise

    @internalcode
    def get_item(self, owner: Any, name: str) -> Any:
        """Return an item by a name that no attribute has, or what stands for it where there is none."""
        try:
            return owner[name]
        except (TypeError, LookupError, AttributeError):
            return self.undefined(obj=owner, name=name)

    @internalcode
    def get_template(self, name: str | Template, parent: str | None = "", globals: MutableMapping[str, Any] | None = None) -> PageTemplate:
        """Return a template, compiled at its first use, and in debug mode again when its file has changed.

        Args:
            name: the template.
            parent: the one that takes it in: None for a template given as text, empty where none does.
            globals: not used, as all templates see the same.

        Raises:
            MissingTemplate: if there is none.
            TemplateError: if a template that escapes takes in one that does not.
        """
        if isinstance(name, Template):
            return cast("PageTemplate", name)
        if parent:
            name = self.join_path(name, parent)
        template = self.loaded.get(name)
        if template is None or (self.auto_reload and not template.is_up_to_date):
            template = cast("PageTemplate", self._source.load(self, name, self.globals))
            template.escapes = escapes(name)
            self.loaded[name] = template
        if not template.escapes and parent != "" and escapes(parent):
            taker = parent or "a template given as text"
            raise TemplateError(f"{taker} takes in {name}, whose values are not escaped: give it a name that ends in .html")
        return template

    @internalcode
    def select_template(
        self, names: Iterable[str | Template], parent: str | None = "", globals: MutableMapping[str, Any] | None = None
    ) -> PageTemplate:
        """Return the first of several templates that exists.

        Raises:
            MissingTemplate: if none does.
        """
        wanted = list(names)
        for name in wanted:
            try:
                return self.get_template(name, parent, globals)
            except (TemplateNotFound, UndefinedError):
                continue
        raise MissingTemplate([str(name) for name in wanted], self._source.folders)

    def join_path(self, template: str, parent: str) -> str:
        """Return the name that a template means by a name: `./row.html` and `../row.html` are relative to it."""
        if not template.startswith(("./", "../")):
            return template
        owner, colon, path = parent.rpartition(":")
        steps = path.split("/")[:-1]
        for step in template.split("/"):
            if step == ".." and steps:
                steps.pop()
            elif step != ".":
                steps.append(step)
        return owner + colon + "/".join(steps)


class FolderLoader(BaseLoader):
    """Reads templates from the folders of a site."""

    def __init__(self, folders: TemplateFolders) -> None:
        self.folders = folders

    @property
    def searchpath(self) -> list[str]:
        """The folders, under the name that Jinja's own loaders have for them."""
        return [str(folder.path) for folder in self.folders.folders]

    def list_templates(self) -> list[str]:
        """Return the names of all templates."""
        return self.folders.names()

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """Return the text of a template, its file, and what tells whether they are still the same."""
        file = self.folders.find(template)
        if file is None:
            raise MissingTemplate([template], self.folders)
        seen = _stamp(file)
        try:
            source = Path(file).read_text(encoding="utf-8-sig")  # without the mark that some editors put first
        except UnicodeDecodeError as error:
            error.add_note(f"The template {file} is not UTF-8.")
            raise

        def is_current() -> bool:
            return self.folders.find(template) == file and _stamp(file) == seen

        return source, file, is_current


def escapes(name: str | None) -> bool:
    """Return whether a template of this name escapes values: all do, but for plain text (`.txt`, `.md`, `.csv`)."""
    if name is None:
        return True
    for ending in (".j2", ".jinja", ".jinja2"):
        name = name.removesuffix(ending)
    return not name.lower().endswith((".txt", ".md", ".csv"))


_PLAIN = frozenset({FunctionType, MethodType, BuiltinFunctionType})


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _dump_json(value: object, **options: Any) -> str:
    """Dump what `tojson` is given: besides plain data also what handlers may return, such as models and dates."""
    return json.dumps(value, default=_to_plain, **options)


def _to_plain(value: object) -> Any:
    return str(value) if isinstance(value, LateText) else msgspec.to_builtins(value, str_keys=True)
