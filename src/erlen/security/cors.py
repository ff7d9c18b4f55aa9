"""Cross-origin resource sharing (WHATWG Fetch, section 3.2): which other sites' scripts may call this one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from erlen.errors import ConfigurationError, Mistake, raise_all
from erlen.http.request import Request
from erlen.http.response import Response, TextResponse
from erlen.security.origin import Origins, parse_origin, shown

__all__ = ["Cors"]


class Cors:
    """Middleware that answers preflight requests, and marks the responses that a foreign page may read.

    `app.add_middleware(Cors())` lets in the pages of `TRUSTED_ORIGINS`, which may also send unsafe requests; pages of further
    `origins` need a bearer token for those, or a route with `csrf=False`. It belongs to the application, with `paths` where it is
    about a part: preflight requests reach no blueprint.

    Args:
        origins: `https://example.com`, `https://*.example.com` for its sub-domains, `*` for every site; `null` only if it stands
            here, and then every sandboxed frame matches.
        origin_regex: further origins, matched as a whole.
        methods: that a foreign page may use, besides GET, HEAD and simple POST, which need no leave.
        headers: request headers that it may send, or `*`.
        expose: response headers that it may read.
        credentials: whether its requests carry cookies and are answered. Only with origins that are named.
        max_age: for how long a browser keeps a preflight's answer, as a timedelta or in seconds.
        private_network: whether a page of the public network may call this site in a private one (W3C Private Network Access).
        paths: path prefixes that this is about, by whole segments: `/api` is not about `/apis`. Empty: all.

    Raises:
        ConfigurationError: listing what browsers would refuse or what would let every site in with its visitors' cookies.
    """

    def __init__(
        self,
        origins: Iterable[str] = (),
        *,
        origin_regex: str | None = None,
        methods: Iterable[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        headers: Iterable[str] = ("Authorization", "Content-Type", "X-CSRF-Token"),
        expose: Iterable[str] = (),
        credentials: bool = False,
        max_age: timedelta | int = 600,
        private_network: bool = False,
        paths: Iterable[str] = (),
    ) -> None:
        named = _several(origins)
        self._any = "*" in named
        self._null = "null" in named
        self._methods = [method.upper() for method in _several(methods)]
        self._headers = _several(headers)
        self._expose = _several(expose)
        self._credentials = credentials
        self._max_age = int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age
        self._private_network = private_network
        self._paths = [path.rstrip("/") for path in _several(paths)]
        mistakes = [*self._contradictions()]
        try:
            self._origins = Origins([origin for origin in named if origin not in ("*", "null")], setting="The list of CORS origins")
        except ConfigurationError as error:
            mistakes += error.mistakes
        try:
            self._pattern = None if origin_regex is None else re.compile(origin_regex)
        except re.error as error:
            mistakes.append(Mistake(f"The CORS origin_regex {origin_regex!r} is no regular expression: {error}."))
        raise_all(mistakes)

    def before(self, request: Request) -> Response | None:
        """Answer a preflight request; let the others through.

        A refusal has status 403 and says why; without `Access-Control-` headers the browser keeps to it.
        """
        if self._paths and not any(request.path == path or request.path.startswith(path + "/") for path in self._paths):
            return None
        origin = request.header("origin")
        method = request.header("access-control-request-method") if request.method == "OPTIONS" else None
        if origin is not None and method is not None:
            return self._answer(request, origin, method)
        # Not in `after`: some error responses are made further out, and a page should be able to read them.
        request.finish_with(self._mark)
        return None

    def after(self, request: Request, response: Response) -> Response:
        """Return the response as it is."""
        return response

    def _answer(self, request: Request, origin: str, method: str) -> Response:
        asked = request.header("access-control-request-headers") or ""
        refusal = self._refusal(request, origin, method, asked)
        response = TextResponse(refusal, 403) if refusal else Response(status=204)
        response.vary("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
        if self._private_network:
            response.vary("Access-Control-Request-Private-Network")
        if refusal:
            return response
        self._allow(response, origin)
        headers = response.headers
        headers["access-control-allow-methods"] = method if "*" in self._methods else ", ".join(self._methods)
        if asked:
            # `*` does not stand for Authorization (Fetch, section 3.3.5), so what was asked for is what is answered.
            headers["access-control-allow-headers"] = asked if "*" in self._headers else ", ".join(self._headers)
        headers["access-control-max-age"] = str(self._max_age)
        if self._private_network and request.header("access-control-request-private-network") == "true":
            headers["access-control-allow-private-network"] = "true"
        return response

    def _mark(self, request: Request, response: Response) -> None:
        """Mark a response as readable by the page that asked for it, unless its handler has decided that itself."""
        if response.own_headers is not None and "access-control-allow-origin" in response.own_headers:
            return
        if not self._any:
            # Also where this request has no origin: a cache would give its answer to one that has.
            response.vary("Origin")
        origin = request.header("origin")
        if self._any if origin is None else self._allows(request, origin):
            self._allow(response, origin or "*")
            if self._expose:
                response.headers["access-control-expose-headers"] = ", ".join(self._expose)

    def _allow(self, response: Response, origin: str) -> None:
        response.headers["access-control-allow-origin"] = "*" if self._any else origin
        if self._credentials:
            response.headers["access-control-allow-credentials"] = "true"

    def _allows(self, request: Request, origin: str) -> bool:
        if origin == "null":
            return self._null or self._any
        # Only what has an origin's grammar is ever echoed.
        if parse_origin(origin) is None:
            return False
        matches = self._pattern is not None and self._pattern.fullmatch(origin) is not None
        return self._any or matches or origin in self._origins or request.context.trusts_origin(origin)

    def _refusal(self, request: Request, origin: str, method: str, asked: str) -> str:
        if not self._allows(request, origin):
            return f"CORS: the origin {shown(origin)} is not allowed. Add it to TRUSTED_ORIGINS, or to the origins of Cors."
        if not _TOKEN(method) or not {"*", method}.intersection(self._methods):
            return f"CORS: the method {shown(method)} is not allowed. Add it to the methods of Cors."
        allowed = {"accept", "accept-language", "content-language", *map(str.lower, self._headers)}
        for name in filter(None, map(str.strip, asked.split(","))):
            if not _TOKEN(name) or not {"*", name.lower()}.intersection(allowed):
                return f"CORS: the header {shown(name)} is not allowed. Add it to the headers of Cors."
        return ""

    def _contradictions(self) -> Iterator[Mistake]:
        if self._credentials:
            if self._any or self._null:
                origin = "*" if self._any else "null"
                message = f"CORS with credentials cannot allow the origin {origin}: any site could act as its visitors."
                yield Mistake(message, fix="name the origins, or leave credentials out")
            for what, names in (("methods", self._methods), ("headers", self._headers), ("expose", self._expose)):
                if "*" in names:
                    yield Mistake(f"CORS with credentials cannot have * as {what}: browsers take it as a name.", fix=f"name the {what}")
        for name in (*self._methods, *self._headers, *self._expose):
            if not _TOKEN(name):
                yield Mistake(f"CORS cannot allow {name!r}: that is no name of a method or header.")
        for path in self._paths:
            if path and path[0] != "/":
                yield Mistake(f"The CORS path {path!r} does not begin with a slash.")
        if self._max_age < 0:
            yield Mistake(f"The CORS max_age cannot be {self._max_age} seconds.", fix="write 0 or more")


_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch


def _several(values: Iterable[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)
