"""What applications and blueprints share: registering routes, hooks, error handlers, middleware and commands.

Registering only records; everything is read, checked and compiled when the application freezes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict, TypeVar, Unpack, runtime_checkable

from msgspec import Struct

from erlen.errors import ConfigurationError, ErlenError, Mistake
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.types import AnyHandler, Handler

if TYPE_CHECKING:
    from pathlib import Path

    from erlen.app.blueprint import Blueprint
    from erlen.app.plugin import Plugin

__all__ = [
    "CallNext",
    "Hooks",
    "IncludeRecord",
    "Middleware",
    "MountRecord",
    "Policy",
    "RouteKeywords",
    "RouteOptions",
    "RouteRecord",
    "Routes",
    "SlashPolicy",
    "caller",
]

CallNext: TypeAlias = Callable[[Request], Any]


@runtime_checkable
class Policy(Protocol):
    """Middleware of both colours: it decides before and after, and waits for nothing. `Cors` is one."""

    def before(self, request: Request) -> Response | None:
        """Return a response to answer without calling the handler, or None."""
        return None

    def after(self, request: Request, response: Response) -> Response:
        """Return the response to send, as a rule the same one."""
        return response


Middleware: TypeAlias = Callable[[Request, Any], Any] | Policy
"""`async def middleware(request, call_next) -> Response`, the same as `def`, or a `Policy`."""
SlashPolicy: TypeAlias = Literal["redirect", "strict", "ignore"]
AnyClass = TypeVar("AnyClass", bound=type)
Recorded = TypeVar("Recorded")

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY")


class RouteKeywords(TypedDict, total=False):
    """What a route may say besides its path and methods."""

    name: str
    """For `url_for`; the function's name by default."""
    status: int
    """For results that bring no status of their own (200)."""
    threaded: bool
    """False runs a quick `def` on the event loop instead of in a thread."""
    csrf: bool
    """False takes unsafe requests that another site made a browser send; for webhooks and the like."""
    timeout: float
    """Seconds an `async def` handler may take before 504 is answered."""
    max_body_size: int
    """In bytes, in place of the setting."""
    middleware: Sequence[Middleware]
    """Around this route alone, inside that of its blueprint."""
    dependencies: Sequence[Any]
    """`Depends(…)` called before the handler for their effect."""
    host: str
    """Only for this host: `api.example.com`, `{tenant}.example.com`."""
    slashes: SlashPolicy
    """What happens to a request with one slash too many or too few at its end: `redirect`, `strict` (404) or `ignore`."""
    deprecated: bool
    """Marked so in API documentation, and answered with a `Deprecation` header (RFC 9745)."""


class RouteOptions(Struct, frozen=True, kw_only=True, eq=False):
    """What a route may say besides its path."""

    status: int = 200
    threaded: bool = True
    csrf: bool = True
    timeout: float | None = None
    max_body_size: int | None = None
    middleware: tuple[Middleware, ...] = ()
    dependencies: tuple[Any, ...] = ()
    host: str | None = None
    slashes: SlashPolicy | None = None
    deprecated: bool = False


class RouteRecord(Struct, frozen=True, eq=False):
    """A registered route."""

    path: str
    methods: tuple[str, ...]
    handler: Handler
    name: str
    options: RouteOptions
    where: str
    localns: dict[str, Any] | None = None
    view: type | None = None


class MountRecord(Struct, frozen=True, eq=False):
    """A mounted ASGI or WSGI application."""

    path: str
    application: Any
    interface: Literal["asgi", "wsgi"] | None
    name: str
    where: str


class IncludeRecord(Struct, frozen=True, eq=False):
    """An included blueprint."""

    blueprint: Blueprint
    prefix: str
    name: str | None
    host: str | None
    where: str


class Hooks(Struct, eq=False):
    """Functions around the handlers of one application or blueprint."""

    middleware: list[Middleware]
    before: list[Callable[..., Any]]
    after: list[Callable[..., Any]]
    teardown: list[Callable[..., Any]]
    errors: dict[int | type[BaseException], Callable[..., Any]]
    url_defaults: list[Callable[[str, dict[str, Any]], None]]

    @property
    def functions(self) -> list[Any]:
        """Everything here that is called around handlers."""
        return [*self.middleware, *self.before, *self.after, *self.teardown]


class Routes:
    """The registering half of `App` and `Blueprint`."""

    def __init__(
        self,
        *,
        middleware: Iterable[Middleware] = (),
        dependencies: Iterable[Any] = (),
        slashes: SlashPolicy | None = None,
        templates: str | Path | Plugin | None = None,
        static: str | Path | None = None,
    ) -> None:
        self.records: list[RouteRecord | MountRecord | IncludeRecord] = []
        self.hooks = Hooks(list(middleware), [], [], [], {}, [])
        self.commands: list[Any] = []
        self.dependencies = tuple(dependencies)
        self.slashes: SlashPolicy | None = slashes
        self.templates = templates
        self.static = static
        self._closed = ""

    # -- routes -------------------------------------------------------------------------------------------------------------

    def route(
        self, path: str, *, methods: Sequence[str] = ("GET",), **options: Unpack[RouteKeywords]
    ) -> Callable[[AnyHandler], AnyHandler]:
        """Answer requests for a path with the decorated function, `def` or `async def`.

        Args:
            path: a template such as `/articles/{id}`; `{id:int}` names a converter, `{rest:path}` takes the rest of the path.
                Between it and the prefixes before it stands one slash, also where it begins without one.
            methods: the HTTP methods. HEAD comes with GET, OPTIONS by itself.
            options: see `RouteKeywords`.
        """
        return self._register(path, tuple(methods), options)

    def get(self, path: str, **options: Unpack[RouteKeywords]) -> Callable[[AnyHandler], AnyHandler]:
        """`route` for GET (and HEAD)."""
        return self._register(path, ("GET",), options)

    def post(self, path: str, **options: Unpack[RouteKeywords]) -> Callable[[AnyHandler], AnyHandler]:
        """`route` for POST."""
        return self._register(path, ("POST",), options)

    def put(self, path: str, **options: Unpack[RouteKeywords]) -> Callable[[AnyHandler], AnyHandler]:
        """`route` for PUT."""
        return self._register(path, ("PUT",), options)

    def patch(self, path: str, **options: Unpack[RouteKeywords]) -> Callable[[AnyHandler], AnyHandler]:
        """`route` for PATCH."""
        return self._register(path, ("PATCH",), options)

    def delete(self, path: str, **options: Unpack[RouteKeywords]) -> Callable[[AnyHandler], AnyHandler]:
        """`route` for DELETE."""
        return self._register(path, ("DELETE",), options)

    def query(self, path: str, **options: Unpack[RouteKeywords]) -> Callable[[AnyHandler], AnyHandler]:
        """`route` for QUERY, a safe method with a body (RFC 10008)."""
        return self._register(path, ("QUERY",), options)

    def add_route(self, path: str, handler: Handler, *, methods: Sequence[str] = ("GET",), **options: Unpack[RouteKeywords]) -> None:
        """Register a route without a decorator; the options are those of `route`."""
        self._register(path, tuple(methods), options)(handler)

    def view(self, path: str, **options: Unpack[RouteKeywords]) -> Callable[[AnyClass], AnyClass]:
        """Answer a path with a class: its methods `get`, `post`, … are the handlers, each request has its own instance.

        The instance is made without arguments. The options are those of `route`, for all of its methods.
        """
        where, localns = caller()
        made, name = _options(options)

        def register(view: AnyClass) -> AnyClass:
            found = [(method, handler) for method in METHODS if callable(handler := getattr(view, method.lower(), None))]
            if not found:
                wrong = f"the view {view.__qualname__} has no methods to answer with"
                raise ConfigurationError(Mistake(wrong, where, "define `get`, `post`, …"))
            for method, handler in found:
                self._add(RouteRecord(path, (method,), handler, name or _snake(view.__name__), made, where, localns, view))
            return view

        return register

    def redirect(self, path: str, target: str, *, status: int = 308, name: str | None = None) -> None:
        """Redirect a path to a URL or another path; its parameters may stand in the target: `/old/{id}` to `/new/{id}`."""

        def redirect(request: Request) -> Response:
            from urllib.parse import quote

            from erlen.http.response import RedirectResponse

            # A value must neither name another host (`//evil.example`) nor add to a query.
            values = {key: quote(str(value), safe="/") for key, value in request.path_params.items()}
            location = target.format_map(values) if values else target
            if target.startswith("/") and not target.startswith("//"):
                location = f"{request.root_path}/{location.lstrip('/')}"
            return RedirectResponse(location + (f"?{request.query_string}" if request.query_string and "?" not in location else ""), status)

        self._add(RouteRecord(path, ("GET",), redirect, name or f"redirect:{path}", RouteOptions(threaded=False, csrf=False), caller()[0]))

    def mount(self, path: str, application: Any, *, interface: Literal["asgi", "wsgi"] | None = None, name: str | None = None) -> None:
        """Hand everything under a path to another ASGI or WSGI application, such as a whole Flask or Django site.

        Args:
            path: the prefix, which the application sees as its root path.
            application: any ASGI 3 or WSGI (PEP 3333) application.
            interface: which of the two it is; found out by its signature when not said.
            name: for error messages.
        """
        self._add(MountRecord(path, application, interface, name or path.strip("/") or "mounted", caller()[0]))

    def include(self, blueprint: Blueprint, *, prefix: str = "", name: str | None = None, host: str | None = None) -> None:
        """Add a blueprint's routes, under a further prefix and, where it is included twice, another name.

        Args:
            blueprint: what to include; what is registered on it later counts too, until the application freezes.
            prefix: before its own prefix; may have parameters: `/{org}`.
            name: in place of its own, for `url_for`.
            host: only for this host.
        """
        self._add(IncludeRecord(blueprint, prefix, name, host, caller()[0]))

    # -- around handlers ----------------------------------------------------------------------------------------------------

    def middleware(self, function: AnyHandler) -> AnyHandler:
        """Put `async def middleware(request, call_next)` (or `def`) around every handler here; the first added is the outermost."""
        return self._append(self.hooks.middleware, function)

    def add_middleware(self, function: Middleware) -> None:
        """`middleware` without a decorator, for instances such as `Cors(…)`."""
        if isinstance(function, type):
            where, _ = caller()
            raise ConfigurationError(Mistake(f"{function.__qualname__} is a class", where, f"add an instance: `{function.__name__}(…)`"))
        self._append(self.hooks.middleware, function)

    def before_request(self, function: AnyHandler) -> AnyHandler:
        """Call `function(request)` before each handler; what it returns, unless None, is the response."""
        return self._append(self.hooks.before, function)

    def after_request(self, function: AnyHandler) -> AnyHandler:
        """Call `function(request, response)` after each handler; a response that it returns takes the other's place."""
        return self._append(self.hooks.after, function)

    def teardown_request(self, function: AnyHandler) -> AnyHandler:
        """Call `function(request, error)` at the end of each request here, whatever happened.

        `error` is the exception that no error handler answered, or None; an HTTPError is an answer.
        """
        return self._append(self.hooks.teardown, function)

    def error_handler(self, status_or_class: int | type[BaseException]) -> Callable[[AnyHandler], AnyHandler]:
        """Answer errors with `function(request, error)`: those of a status code, or of an exception class and its subclasses.

        The nearest blueprint wins over the application; there, a class such as NotFound over its status code, the code over HTTPError
        and Exception. Fields that go with a status, such as `Allow` with 405, are added where the response keeps the status.
        """
        known = isinstance(status_or_class, int) and 400 <= status_or_class <= 599
        if not known and not (isinstance(status_or_class, type) and issubclass(status_or_class, BaseException)):
            wrong, fix = f"{status_or_class!r} is no error", "give a status from 400 to 599 or an exception class"
            raise ConfigurationError(Mistake(wrong, caller()[0], fix))

        def register(function: AnyHandler) -> AnyHandler:
            self._check_open()
            self.hooks.errors[status_or_class] = function
            return function

        return register

    def url_defaults(self, function: Callable[[str, dict[str, Any]], None]) -> Callable[[str, dict[str, Any]], None]:
        """Let `function(name, params)` fill in parameters of every URL that is built for a route here."""
        return self._append(self.hooks.url_defaults, function)

    def command(self, function: AnyHandler) -> AnyHandler:
        """Add a function, `def` or `async def`, to the `erlen` command line under its name."""
        return self._append(self.commands, function)

    # -- means --------------------------------------------------------------------------------------------------------------

    def _register(self, path: str, methods: tuple[str, ...], options: RouteKeywords) -> Callable[[AnyHandler], AnyHandler]:
        where, localns = caller(3)
        if callable(path):
            raise ConfigurationError(Mistake("the decorator of a route was used without a path", where, 'write `@app.get("/…")`'))
        made, name = _options(options)
        upper = tuple(dict.fromkeys(method.upper() for method in methods))
        if min(map(len, upper), default=0) < 2:  # `methods="GET"` is three letters
            raise ConfigurationError(Mistake(f"the route {path!r} has no methods in {upper}", where, 'say methods=("GET",)'))

        def register(handler: AnyHandler) -> AnyHandler:
            if not callable(handler):
                raise ConfigurationError(
                    Mistake(f"the handler of {path!r} is {handler!r}, which cannot be called", where, "put the decorator on a function")
                )
            own_name: str = getattr(handler, "__name__", type(handler).__name__)
            self._add(RouteRecord(path, upper, handler, name or own_name, made, where, localns))
            return handler

        return register

    def _add(self, record: RouteRecord | MountRecord | IncludeRecord) -> None:
        self._append(self.records, record)

    def _append(self, records: list[Any], record: Recorded) -> Recorded:
        self._check_open()
        records.append(record)
        return record

    def _check_open(self) -> None:
        if self._closed:
            raise ErlenError(
                f"{self._closed}: register everything before the application is frozen or served (tests freeze variants with `overrides`)"
            )


def _options(keywords: RouteKeywords) -> tuple[RouteOptions, str | None]:
    given: dict[str, Any] = dict(keywords)
    name = given.pop("name", None)
    unknown = set(given) - set(RouteOptions.__struct_fields__)
    if unknown:
        raise TypeError(f"a route has no option {', '.join(sorted(unknown))}; it has name, {', '.join(RouteOptions.__struct_fields__)}")
    for key in ("middleware", "dependencies"):
        given[key] = tuple(given.get(key, ()))
    return RouteOptions(**given), name


def caller(depth: int = 2) -> tuple[str, dict[str, Any] | None]:
    """Return `file:line` of the code that registers, and its local names where it stands in a function."""
    frame = sys._getframe(depth)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}", None if frame.f_locals is frame.f_globals else dict(frame.f_locals)


def _snake(name: str) -> str:
    return "".join(("_" if char.isupper() and position else "") + char.lower() for position, char in enumerate(name))
