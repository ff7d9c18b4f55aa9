"""Cross-origin resource sharing (WHATWG Fetch, section 3.2): which other sites' scripts may call this one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from erlen.errors import ConfigurationError, Mistake
from erlen.http.request import Request
from erlen.http.response import Response, TextResponse
from erlen.security.origin import Origins, parse_origin

__all__ = ["Cors"]


class Cors:
    """Answers preflight requests, and marks the responses that a foreign page may read.

    It is a middleware too: `app.middleware(Cors(["https://app.example.com"]))`.

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

    __slots__ = (
        "_any",
        "_credentials",
        "_expose",
        "_headers",
        "_matches",
        "_max_age",
        "_methods",
        "_null",
        "_origins",
        "_paths",
        "_private_network",
    )

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
        mistakes: list[Mistake] = []
        named = _several(origins)
        self._any = "*" in named
        self._null = "null" in named
        try:
            self._origins = Origins([origin for origin in named if origin not in ("*", "null")], setting="The list of CORS origins")
        except ConfigurationError as error:
            mistakes += error.mistakes
        self._matches = None
        if origin_regex is not None:
            try:
                self._matches = re.compile(origin_regex).fullmatch
            except re.error as error:
                mistakes.append(Mistake(f"The CORS origin_regex {origin_regex!r} is no regular expression: {error}."))
        self._methods = tuple(method.upper() for method in _several(methods))
        self._headers = tuple(_several(headers))
        self._expose = ", ".join(_several(expose))
        self._credentials = credentials
        self._max_age = str(int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age)
        self._private_network = private_network
        self._paths = tuple(path.rstrip("/") for path in _several(paths))
        mistakes += self._contradictions()
        if mistakes:
            raise ConfigurationError(mistakes)

    def before(self, request: Request) -> Response | None:
        """Answer a preflight request; let the others through."""
        answer = self.preflight(request)
        if answer is None:
            # Not in `after`: some error responses are made further out, and a page should be able to read them.
            request.finish_with(self.apply)
        return answer

    def after(self, request: Request, response: Response) -> Response:
        """Return the response as it is."""
        return response

    def preflight(self, request: Request) -> Response | None:
        """Answer a preflight request; None if this is none, or not about these paths.

        A refusal has status 403 and says why; without `Access-Control-` headers the browser keeps to it.
        """
        method = request.header("access-control-request-method") if request.method == "OPTIONS" else None
        origin = request.header("origin")
        if method is None or origin is None or not self._covers(request.path):
            return None
        refusal = self._refusal(origin, method, request)
        response = TextResponse(refusal, 403) if refusal else Response(status=204)
        headers = response.headers
        headers.add_token("vary", "Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
        if self._private_network:
            headers.add_token("vary", "Access-Control-Request-Private-Network")
        if refusal:
            return response
        self._allow(response, origin)
        headers["access-control-allow-methods"] = method if "*" in self._methods else ", ".join(self._methods)
        asked = request.header("access-control-request-headers")
        if asked:
            # `*` does not stand for Authorization (Fetch, section 3.3.5), so what was asked for is what is answered.
            headers["access-control-allow-headers"] = asked if "*" in self._headers else ", ".join(self._headers)
        headers["access-control-max-age"] = self._max_age
        if self._private_network and request.header("access-control-request-private-network") == "true":
            headers["access-control-allow-private-network"] = "true"
        return response

    def apply(self, request: Request, response: Response) -> None:
        """Mark a response as readable by the page that asked for it, if its origin is allowed; also for `request.finish_with`.

        A response that has `Access-Control-Allow-Origin` already is left as it is.
        """
        if not self._covers(request.path) or (response.own_headers is not None and "access-control-allow-origin" in response.own_headers):
            return
        if self._depends_on_origin:
            # Also where this request has no origin: a cache would give its answer to one that has.
            response.vary("Origin")
        origin = request.header("origin")
        if origin is None and self._depends_on_origin:
            return
        if origin is None or self.allows(origin):
            self._allow(response, origin or "*")
            if self._expose:
                response.headers["access-control-expose-headers"] = self._expose

    def allows(self, origin: str) -> bool:
        """Return whether pages of this origin may read responses."""
        if origin == "null":
            return self._null or (self._any and not self._credentials)
        # Only what has an origin's grammar is ever echoed.
        if parse_origin(origin) is None:
            return False
        return self._any or origin in self._origins or (self._matches is not None and self._matches(origin) is not None)

    @property
    def _depends_on_origin(self) -> bool:
        return not self._any

    def _covers(self, path: str) -> bool:
        return not self._paths or any(path == prefix or path.startswith(prefix + "/") for prefix in self._paths)

    def _allow(self, response: Response, origin: str) -> None:
        headers = response.headers
        headers["access-control-allow-origin"] = origin if self._depends_on_origin else "*"
        if self._credentials:
            headers["access-control-allow-credentials"] = "true"

    def _refusal(self, origin: str, method: str, request: Request) -> str:
        if not self.allows(origin):
            return f"CORS: the origin {_shown(origin)} is not allowed. Add it to TRUSTED_ORIGINS, or to the origins of Cors."
        if "*" not in self._methods and method not in self._methods:
            return f"CORS: the method {_shown(method)} is not allowed. Add it to the methods of Cors."
        if not _TOKEN(method):
            return f"CORS: {_shown(method)} is no method."
        asked = [name.strip() for name in (request.header("access-control-request-headers") or "").split(",") if name.strip()]
        allowed = _SAFE_HEADERS | {name.lower() for name in self._headers}
        for name in asked:
            if not _TOKEN(name) or ("*" not in self._headers and name.lower() not in allowed):
                return f"CORS: the header {_shown(name)} is not allowed. Add it to the headers of Cors."
        return ""

    def _contradictions(self) -> list[Mistake]:
        mistakes: list[Mistake] = []
        if self._credentials:
            if self._any or self._null:
                origin = "*" if self._any else "null"
                message = f"CORS with credentials cannot allow the origin {origin}: any site could act as its visitors."
                mistakes.append(Mistake(message, fix="name the origins, or leave credentials out"))
            mistakes += [
                Mistake(f"CORS with credentials cannot have * as {what}: browsers take it as a name.", fix=f"name the {what}")
                for what, values in (("methods", self._methods), ("headers", self._headers), ("expose", (self._expose,)))
                if "*" in values
            ]
        names = [*self._methods, *self._headers, *(self._expose.split(", ") if self._expose else ())]
        mistakes += [Mistake(f"CORS cannot allow {name!r}: that is no name of a method or header.") for name in names if not _TOKEN(name)]
        mistakes += [Mistake(f"The CORS path {path!r} does not begin with a slash.") for path in self._paths if path and path[0] != "/"]
        if not self._max_age.isdigit():
            mistakes.append(Mistake(f"The CORS max_age cannot be {self._max_age} seconds.", fix="write 0 or more"))
        return mistakes


_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_SAFE_HEADERS = frozenset({"accept", "accept-language", "content-language"})


def _several(values: Iterable[str]) -> Sequence[str]:
    return [values] if isinstance(values, str) else list(values)


def _shown(value: str) -> str:
    return ascii(value if len(value) <= 80 else value[:80] + "…")
