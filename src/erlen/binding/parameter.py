"""A handler's signature, read once at freeze: what each parameter is and where its value comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from msgspec import Struct

from erlen.binding.marker import Body, Dependency, Marker, Source
from erlen.errors import ConfigurationError, Mistake
from erlen.schema.hints import hints_of
from erlen.schema.model import UNIONS, kind_of, members_of
from erlen.types import MISSING, Colour, Handler, loaded

__all__ = ["SAFE", "Parameter", "Providers", "Resolver", "SignatureOptions", "location_of", "read_signature", "short"]

Kind: TypeAlias = Literal[
    "request", "session", "headers", "query_params", "form_data", "dependency", "path", "query", "header", "cookie", "body", "form", "file"
]

MODELS = frozenset({"struct", "dataclass", "typeddict", "attrs", "pydantic"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Parameter(Struct, frozen=True, eq=False):
    """One parameter of a handler or dependency."""

    name: str
    annotation: Any
    kind: Kind
    key: str
    """Its name in the request: a query parameter's, a header field's in lower case, a form field's."""
    default: Any = MISSING
    marker: Marker | None = None
    dependency: Dependency | None = None
    positional: bool = True
    """Whether it may be passed by position; keyword-only ones may not."""

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def is_model(self) -> bool:
        """Whether one model gathers several fields of its source."""
        return kind_of(bare(self.annotation)) in MODELS

    @property
    def is_list(self) -> bool:
        return is_list(self.annotation)


Resolver: TypeAlias = "Callable[[Parameter, SignatureOptions], Dependency | tuple[str, str] | None]"
"""Asked for a parameter that nothing else explains; what it returns provides the value, or says what is wrong and the fix."""


class Providers:
    """What provides values by type: `app.provide` and plugins fill it, freeze reads it."""

    def __init__(self, by_type: Mapping[Any, Dependency] | None = None, resolvers: Sequence[Resolver] = ()) -> None:
        self.by_type: dict[Any, Dependency] = dict(by_type or {})
        self.resolvers: list[Resolver] = list(resolvers)

    def find(self, parameter: Parameter, options: SignatureOptions) -> Dependency | tuple[str, str] | None:
        """Return what provides a parameter of this annotation, None, or what is wrong with it and the fix."""
        plain = strip_annotated(parameter.annotation)
        answers = (resolver(parameter, options) for resolver in self.resolvers)
        found = self.by_type.get(plain) or self.by_type.get(optional_of(plain))
        return found or next((answer for answer in answers if answer is not None), None)

    def copy(self) -> Providers:
        return Providers(self.by_type, self.resolvers)


class SignatureOptions(Struct, frozen=True, kw_only=True, eq=False):
    """What a route and its site say about the parameters of a handler and of its dependencies."""

    where: str
    methods: frozenset[str]
    param_names: tuple[str, ...]
    """Those of the path and the host."""
    colour: Colour
    providers: Providers
    overrides: Mapping[Any, Callable[..., Any]]
    """What takes the place of dependencies."""
    localns: Mapping[str, Any] | None = None


def read_signature(
    function: Handler, options: SignatureOptions, *, where: str, skip_first: bool = False
) -> tuple[list[Parameter], Any, list[Mistake]]:
    """Read what a handler or dependency, defined at `where`, asks for.

    Returns its parameters, its return annotation (`MISSING` without one), and what is wrong with it.
    """
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return [], MISSING, []
    try:
        hints = hints_of(function, options.localns)
    except ConfigurationError as error:
        return [], MISSING, list(error.mistakes)
    parameters: list[Parameter] = []
    mistakes: list[Mistake] = []
    # What a partial says is settled: a request must not be able to say otherwise.
    settled = function.keywords if isinstance(function, partial) else {}
    names = [name for name in signature.parameters if name not in settled]
    for name in names[1:] if skip_first else names:
        given = signature.parameters[name]
        if given.kind in (given.VAR_POSITIONAL, given.VAR_KEYWORD):
            if given.kind is given.VAR_KEYWORD and options.param_names and not isinstance(function, type):
                wrong = f"{describe(function)} takes **{name}, which cannot be bound from a request"
                mistakes.append(Mistake(wrong, where, "name each parameter"))
            continue
        default = MISSING if given.default is given.empty else given.default
        positional = given.kind is not given.KEYWORD_ONLY
        parameter = _parameter(name, hints.get(name, MISSING), default, positional, options)
        if isinstance(parameter, Parameter):
            parameters.append(parameter)
        else:
            mistakes.append(Mistake(f"{describe(function)}: {parameter[0]}", where, parameter[1]))
    return parameters, hints.get("return", MISSING), mistakes


def _parameter(name: str, annotation: Any, default: Any, positional: bool, options: SignatureOptions) -> Parameter | tuple[str, str]:
    """Decide what one parameter is; a pair is what is wrong and the fix."""
    path_names, methods = options.param_names, options.methods

    def made(kind: Kind, key: str = name, *, marker: Marker | None = None, dependency: Dependency | None = None) -> Parameter:
        return Parameter(name, annotation, kind, key, default, marker, dependency, positional)

    if isinstance(default, Dependency):
        dependency, default = default, MISSING
        return made("dependency", dependency=dependency)
    if isinstance(default, Marker):
        shown = type(default).__name__
        return (
            f"parameter `{name}` has {shown}() as its default",
            f"write `{name}: Annotated[<type>, {shown}()]`, and a real default after it",
        )
    if annotation is MISSING:
        if name in path_names:
            annotation = str
            return made("path")
        if name == "request":
            return made("request")
        if default is not MISSING and default is not None:
            annotation = type(default)
        else:
            return f"parameter `{name}` has no annotation", f"annotate it: `{name}: Request`, `{name}: int`, …"
    for extra in metadata_of(annotation):
        if isinstance(extra, Dependency):
            return made("dependency", dependency=extra)
        if isinstance(extra, Marker):
            return _marked(made, extra, name, annotation, path_names)
        if isinstance(extra, type) and issubclass(extra, Marker):
            return _marked(made, extra(), name, annotation, path_names)
    plain = bare(annotation)
    if isinstance(plain, type):
        for kind, module, known in _SPECIAL:
            if issubclass(plain, loaded(module, known)):
                return made(kind)
    if name in path_names:
        return made("path")
    found = options.providers.find(made("dependency"), options)
    if found is not None:
        return made("dependency", dependency=found) if isinstance(found, Dependency) else found
    if loaded("erlen.http.upload", "UploadFile") in (plain, item_of(plain)):
        return made("file")
    if _holds_models(plain):
        if methods and methods <= SAFE:
            return (
                f"parameter `{name}` would be read from the body, but {'/'.join(sorted(methods))} requests have none",
                f"write `Annotated[{describe(plain)}, Query()]` to read it from the query string",
            )
        return made("body", marker=Body())
    if kind_of(item_of(plain) if is_list(plain) else plain) == "scalar":
        return made("query")
    shown = describe(plain)
    fix = f"register it with `app.provide({shown}, …)`, use the plugin that provides it, or write `Annotated[{shown}, Depends(…)]`"
    return f"nothing provides parameter `{name}: {shown}`", fix


def _marked(
    made: Callable[..., Parameter], marker: Marker, name: str, annotation: Any, path_names: tuple[str, ...]
) -> Parameter | tuple[str, str]:
    source: Source = marker.source
    key = marker.alias or name
    if source == "header":
        key = (marker.alias or name.replace("_", "-")).lower()
    if source == "path" and key not in path_names:
        return f"parameter `{name}` is marked Path(), but the path has no {{{key}}}", "put it in the path's template"
    return made(source, key, marker=marker)


_SPECIAL: tuple[tuple[Kind, str, str], ...] = (
    ("request", "erlen.http.request", "Request"),
    ("session", "erlen.http.session", "HttpSession"),
    ("headers", "erlen.http.headers", "Headers"),
    ("query_params", "erlen.http.query", "QueryParams"),
    ("form_data", "erlen.http.form", "FormData"),
)

# -- annotations ------------------------------------------------------------------------------------------------------------


def strip_annotated(annotation: Any) -> Any:
    """Return the type without `Annotated` around it."""
    while get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    return annotation


def metadata_of(annotation: Any) -> tuple[Any, ...]:
    """Return what `Annotated` says about a type, also inside `X | None`."""
    if get_origin(annotation) is Annotated:
        return tuple(annotation.__metadata__) + metadata_of(annotation.__origin__)
    inner = optional_of(annotation)
    return () if inner is None or inner is annotation else metadata_of(inner)


def optional_of(annotation: Any) -> Any | None:
    """Return `X` for `X | None`, else None."""
    if not is_union(annotation):
        return None
    rest = [part for part in get_args(annotation) if part is not type(None)]
    return rest[0] if len(rest) == 1 and len(get_args(annotation)) == 2 else None


def takes_text(annotation: Any) -> bool:
    """Whether an empty text is a value of this type."""
    plain = bare(annotation)
    return any(takes_text(part) for part in get_args(plain)) if is_union(plain) else plain in (str, Any, object)


def is_union(annotation: Any) -> bool:
    return get_origin(annotation) in UNIONS


def bare(annotation: Any) -> Any:
    """Return the type without `Annotated` and `| None` around it."""
    plain = strip_annotated(annotation)
    inner = optional_of(plain)
    return plain if inner is None else bare(inner)


def is_list(annotation: Any) -> bool:
    """Whether an annotation gathers several values of one name."""
    return kind_of(annotation) == "collection"


def item_of(annotation: Any) -> Any:
    """Return what a list holds; `str` where it does not say, the annotation itself where it is no list."""
    if not is_list(annotation):
        return None
    arguments = get_args(bare(annotation))
    return bare(arguments[0]) if arguments else str


def _holds_models(plain: Any) -> bool:
    kind = kind_of(plain)
    if kind == "union":
        return any(_holds_models(bare(part)) for part in members_of(plain))
    return kind in MODELS or kind == "mapping" or (kind == "collection" and _holds_models(item_of(plain)))


def describe(subject: Any) -> str:
    """Return a short readable name of a type or function."""
    while isinstance(subject, partial):
        subject = subject.func
    if get_origin(subject) is not None:
        return str(subject).replace("typing.", "")
    return getattr(subject, "__qualname__", None) or str(subject)


def location_of(function: Any) -> str:
    """Return `file:line` of a function or class, or an empty string."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    if code is None:
        code = getattr(getattr(type(function), "__call__", None), "__code__", None)  # noqa: B004 - the method itself is wanted
    return "" if code is None else short(f"{code.co_filename}:{code.co_firstlineno}")


def short(where: str) -> str:
    """Return a location relative to the current folder, where it is below that."""
    import os

    try:
        shown = os.path.relpath(where)
    except ValueError:
        return where
    return where if shown.startswith("..") else shown
