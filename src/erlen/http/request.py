"""The request as handlers see it: everything is read on first use, and nothing that is not used is made.

Each door has a subclass that knows its server's scope and supplies the primitives listed under "what a door supplies".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextvars import ContextVar
from itertools import accumulate
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from erlen.errors import BadRequest, ContentTooLarge, ErlenError
from erlen.http.headers import Headers
from erlen.http.limits import Limits
from erlen.http.query import QueryParams

if TYPE_CHECKING:
    from erlen.http.accept import Accept
    from erlen.http.authorization import Authorization
    from erlen.http.conditional import Conditions
    from erlen.http.form import FormData
    from erlen.http.response import Response
    from erlen.http.session import HttpSession
    from erlen.http.url import URL

__all__ = ["MatchedRoute", "Request", "RequestContext", "current_request"]

Value = TypeVar("Value")
Finisher = Callable[["Request", "Response"], None]


class MatchedRoute(Protocol):
    """What a request knows of the route it matched."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def param_names(self) -> tuple[str, ...]: ...
    @property
    def limits(self) -> Limits: ...


class RequestContext(Protocol):
    """What the frozen site does for its requests."""

    @property
    def limits(self) -> Limits: ...
    def client_address(self, request: Request) -> str: ...
    def effective_scheme(self, request: Request) -> str: ...
    def effective_host(self, request: Request) -> str: ...
    def root_path(self, request: Request) -> str: ...
    def open_session(self, request: Request) -> HttpSession: ...
    def csrf_token(self, request: Request) -> str: ...
    def trusts_origin(self, origin: str) -> bool: ...
    def request_id(self, request: Request) -> str: ...
    def allow_nonce(self, request: Request, response: Response) -> None: ...


class Request(Struct, eq=False, weakref=True):
    """One HTTP request (RFC 9110). Made by a door; in tests, by `erlen.testing.RequestFactory`."""

    method: str
    """Upper case, as sent."""
    path: str
    """Percent-decoded, without the mount prefix; `%2F` counts as `/`."""
    query_string: str
    """As sent, without the question mark."""
    context: RequestContext
    params: tuple[Any, ...] = ()
    route: MatchedRoute | None = None
    finishers: list[Finisher] | None = None
    work_after: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]] | None = None
    ignores_cookies: bool = False
    _query: QueryParams | None = None
    _headers: Headers | None = None
    _cookies: Mapping[str, str] | None = None
    _url: Any = None
    _state: SimpleNamespace | None = None
    _session: Any = None
    _id: str | None = None
    _nonce: str | None = None
    _body: bytes | None = None
    _form: Any = None
    _consumed: bool = False
    _failure: Exception | None = None
    _unexpected: Exception | None = None
    """What a handler raised that nobody foresaw; teardown hooks are told."""

    # -- what a door supplies -----------------------------------------------------------------------------------------------

    def header(self, name: str) -> str | None:
        """Return the first value of a header field by its lower-case name, or None."""
        raise NotImplementedError

    def header_items(self) -> list[tuple[str, str]]:
        """Return all header fields, names in lower case, repeated ones included."""
        raise NotImplementedError

    @property
    def http_version(self) -> str:
        """`1.0`, `1.1` or `2`."""
        raise NotImplementedError

    @property
    def peer(self) -> str:
        """The address of the other end of the connection, without its port; empty on a Unix socket."""
        raise NotImplementedError

    @property
    def wire_scheme(self) -> str:
        """`http` or `https`, as this connection was made; `scheme` looks behind trusted proxies."""
        raise NotImplementedError

    @property
    def wire_host(self) -> str:
        """The `Host` header or HTTP/2 `:authority` as sent, or empty; `host` looks behind trusted proxies."""
        raise NotImplementedError

    @property
    def mount_path(self) -> str:
        """The path prefix this application is mounted under, without a slash at its end; usually empty."""
        raise NotImplementedError

    async def receive_all(self, limits: Limits, length: int | None) -> bytes:
        """Read the whole body, of `length` bytes if that was announced.

        Raises:
            ContentTooLarge: past `limits.body_size`.
            BadRequest: if it is not as long as announced.
            RequestTimeout: slower than `limits.body_timeout`.
        """
        raise NotImplementedError

    def receive_chunks(self, limits: Limits, length: int | None) -> AsyncIterator[bytes]:
        """Read the body piece by piece, with the same limits."""
        raise NotImplementedError

    async def wait_disconnect(self) -> None:
        """Return once the client has gone away. Never returns where the server cannot tell (WSGI)."""
        raise NotImplementedError

    def wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine of this request to its end from a `def` handler's thread."""
        raise NotImplementedError

    # -- the target ---------------------------------------------------------------------------------------------------------

    @property
    def query(self) -> QueryParams:
        """The parameters of the query string (WHATWG application/x-www-form-urlencoded).

        Raises:
            BadRequest: if there are more than `limits.form_fields`.
        """
        if self._query is None:
            self._query = QueryParams.parse(self.query_string, limit=self.limits.form_fields)
        return self._query

    @property
    def path_params(self) -> dict[str, Any]:
        """The converted values of the path's parameters, by name."""
        return {} if self.route is None else dict(zip(self.route.param_names, self.params, strict=True))

    @property
    def url(self) -> URL:
        """The absolute URL of this request, as the client sees it."""
        if self._url is None:
            from erlen.http.url import URL

            self._url = URL.build(scheme=self.scheme, authority=self.host, path=self.root_path + self.path, query_string=self.query_string)
        return self._url  # type: ignore[no-any-return]

    @property
    def scheme(self) -> str:
        """`http` or `https`, as the client sees it (behind `TRUSTED_PROXIES`, what they say)."""
        return self.context.effective_scheme(self)

    @property
    def is_secure(self) -> bool:
        """Whether the client speaks TLS."""
        return self.scheme == "https"

    @property
    def host(self) -> str:
        """Host and port as the client sees them, such as `example.com` or `localhost:8000`; validated."""
        return self.context.effective_host(self)

    @property
    def root_path(self) -> str:
        """The prefix of every URL of this application as the client sees it, without a slash at its end."""
        return self.context.root_path(self)

    @property
    def client(self) -> str:
        """The address of the client (behind `TRUSTED_PROXIES`, the first untrusted one); empty on a Unix socket."""
        return self.context.client_address(self)

    @property
    def id(self) -> str:
        """An id for logs: `X-Request-ID` from a trusted proxy, else a new random one."""
        if self._id is None:
            self._id = self.context.request_id(self)
        return self._id

    # -- header fields ------------------------------------------------------------------------------------------------------

    @property
    def headers(self) -> Headers:
        """All header fields."""
        if self._headers is None:
            self._headers = Headers.trusted(self.header_items())
        return self._headers

    @property
    def cookies(self) -> Mapping[str, str]:
        """Cookies by name (RFC 6265bis); empty for a request that authenticates with a bearer token."""
        if self._cookies is None:
            from erlen.http.cookies import parse_cookies

            self._cookies = {} if self.ignores_cookies else parse_cookies(self.header("cookie") or "")
        return self._cookies

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty when there is none."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """The announced size of the body in bytes, or None.

        Raises:
            BadRequest: if it is not a plain decimal number (RFC 9110, section 8.6).
        """
        value = self.header("content-length")
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise BadRequest("Content-Length is not a number.")
        return int(value)

    @property
    def accept(self) -> Accept:
        """What the client prefers: media types, languages, encodings (RFC 9110, section 12.5)."""
        from erlen.http.accept import Accept

        return Accept(self.header)

    @property
    def conditions(self) -> Conditions:
        """`If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range` (RFC 9110, section 13)."""
        from erlen.http.conditional import Conditions

        return Conditions(self.method, self.header)

    @property
    def authorization(self) -> Authorization | None:
        """What the client authenticates with (RFC 9110, section 11.6.2), or None."""
        from erlen.http.authorization import parse_authorization

        return parse_authorization(self.header("authorization"))

    @property
    def cache_control(self) -> dict[str, str]:
        """The directives of `Cache-Control`, with an empty value where they have none (RFC 9111, section 5.2)."""
        parts = (part.strip().partition("=") for part in (self.header("cache-control") or "").split(",")[:64])
        return {name.lower(): value.strip('"') for name, _, value in parts if name}

    def ranges(self, size: int) -> list[tuple[int, int]] | None:
        """Return the byte ranges asked for of content with `size` bytes, ends exclusive; None for all of it (RFC 9110, section 14).

        Raises:
            RangeNotSatisfiable: if none of them lies within the content.
        """
        from erlen.http.ranges import parse_range

        value = self.header("range")
        return None if value is None else parse_range(value, size)

    # -- the body -----------------------------------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        """The limits in force: the route's, or the site's."""
        return self.context.limits if self.route is None else self.route.limits

    async def body(self) -> bytes:
        """Read the whole body; a second call returns it again.

        Raises:
            ContentTooLarge: over `limits.body_size`.
            BadRequest: if it is not as long as its Content-Length says.
            RequestTimeout: slower than `limits.body_timeout`.
        """
        if self._body is None:
            if self._failure is not None:
                raise self._failure
            try:
                self._body = await self.receive_all(*self._begin_body())
            except Exception as error:
                self._failure = error
                raise
        return self._body

    def stream(self) -> AsyncIterator[bytes]:
        """Read the body piece by piece, once, without keeping it. Raises what `body` raises."""
        if self._body is not None:
            return _one(self._body)
        return self.receive_chunks(*self._begin_body())

    async def json(self) -> Any:
        """Parse the body as JSON (RFC 8259).

        Raises:
            BadRequest: if it is not JSON, or nests deeper than `limits.json_depth`.
        """
        return decode_json(await self.body(), depth=self.limits.json_depth)

    async def form(self) -> FormData:
        """Parse the body as a form: `application/x-www-form-urlencoded` or `multipart/form-data` (RFC 7578).

        Files over `limits.file_memory` are on disk until the request ends.

        Raises:
            UnsupportedMediaType: for another content type.
            BadRequest: if it is malformed; ContentTooLarge: over one of the limits.
        """
        if self._form is None:
            if self._failure is not None:
                raise self._failure
            from erlen.http.form import parse_form

            try:
                self._form = await parse_form(self.header("content-type") or "", self.stream(), self.limits)
            except Exception as error:
                self._failure = error
                raise
            self.after_response(self._form.close)
        return self._form  # type: ignore[no-any-return]

    def read_body(self) -> bytes:
        """`body` for `def` handlers: blocks the thread, not the event loop."""
        return self._body if self._body is not None else self.wait(self.body())

    def read_json(self) -> Any:
        """`json` for `def` handlers."""
        return decode_json(self.read_body(), depth=self.limits.json_depth)

    def read_form(self) -> FormData:
        """`form` for `def` handlers."""
        return self._form if self._form is not None else self.wait(self.form())

    def _begin_body(self) -> tuple[Limits, int | None]:
        if self._consumed:
            raise ErlenError("the body of this request was read already: read it in one place, or use `request.body()`, which keeps it")
        self._consumed = True
        limits = self.limits
        length = self.content_length
        if length is not None and length > limits.body_size:
            raise ContentTooLarge(f"The body has {length} bytes; {limits.body_size} are allowed.")
        return limits, length

    # -- state --------------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> SimpleNamespace:
        """A place for middleware and hooks to leave things for this request."""
        if self._state is None:
            self._state = SimpleNamespace()
        return self._state

    @property
    def session(self) -> HttpSession:
        """The visitor's session; saved at the end of the request if it was changed.

        Raises:
            ConfigurationError: in production without `SECRET_KEY`.
        """
        if self._session is None:
            self._session = self.context.open_session(self)
        return self._session  # type: ignore[no-any-return]

    @property
    def csrf_token(self) -> str:
        """The token that a form sends back as `csrf_token`, or a script as `X-CSRF-Token`; masked anew at each call."""
        return self.context.csrf_token(self)

    @property
    def csp_nonce(self) -> str:
        """The nonce that lets an inline script or style pass this response's Content-Security-Policy (CSP 3, section 2.3.1)."""
        if self._nonce is None:
            import secrets

            self._nonce = secrets.token_urlsafe(16)
            self.finish_with(self.context.allow_nonce)
        return self._nonce

    def finish_with(self, finisher: Finisher) -> None:
        """Call `finisher(request, response)` once the response is known, before it is written; the last added runs first."""
        if self.finishers is None:
            self.finishers = [finisher]
        else:
            self.finishers.append(finisher)

    def after_response(self, work: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Run `work(*args, **kwargs)`, `def` or `async def`, once the response is written. It is lost if the process dies."""
        if self.work_after is None:
            self.work_after = []
        self.work_after.append((work, args, kwargs))

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


def current_request() -> Request:
    """Return the request being handled in this context.

    Raises:
        ErlenError: outside a request.
    """
    try:
        return active_request.get()
    except LookupError:
        raise ErlenError("there is no request here: pass what you need as an argument, or in a test use `RequestFactory`") from None


active_request: ContextVar[Request] = ContextVar("erlen.request")


def decode_json(body: bytes, *, depth: int) -> Any:
    """Decode JSON, at most `depth` levels deep.

    Raises:
        BadRequest: saying where it breaks off.
    """
    refuse_depth(body, depth)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None


def refuse_depth(body: bytes, depth: int) -> None:
    """Raise BadRequest if the JSON text nests deeper than `depth`."""
    if too_deep(body, depth):
        raise BadRequest(f"The JSON nests deeper than {depth} levels.")


def too_deep(body: bytes, depth: int) -> bool:
    """Return whether the JSON text nests deeper than `depth`, in linear time."""
    # PERF: counting openers bounds the depth; what looks into a suspicious text is C: 10 ns a byte where a loop takes 50.
    if body.count(b"[") + body.count(b"{") <= depth:
        return False
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = unescaped.translate(_STEPS, _UNMARKED).replace(b'""', b"")  # a pair removed changes nothing about what is quoted
    level = quoted = 0
    for start in range(0, len(marks), _WINDOW):
        parts = marks[start : start + _WINDOW].split(b'"')
        levels = list(accumulate(memoryview(b"".join(parts[quoted::2])).cast("b"), initial=level))
        if max(levels) > depth:
            return True
        level = levels[-1]
        quoted = (quoted + len(parts) - 1) % 2
    return False


_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_UNMARKED = bytes(set(range(256)) - set(b'[]{}"'))
_WINDOW = 1 << 14


async def _one(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
