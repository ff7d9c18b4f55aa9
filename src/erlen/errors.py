"""The exceptions of Erlen: HTTP errors a handler may raise, data faults, and configuration mistakes.

Everything an application raises on purpose is an `HTTPError`; the one place that turns it into a response is
`erlen.app.problems`. What the developer did wrong is a `ConfigurationError`, raised once, at freeze, with every mistake in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import ClassVar, NoReturn

from msgspec import Struct

__all__ = [
    "BadRequest",
    "ConfigurationError",
    "Conflict",
    "ContentTooLarge",
    "ErlenError",
    "Fault",
    "Forbidden",
    "Gone",
    "HTTPError",
    "HeaderFieldsTooLarge",
    "InvalidRequest",
    "MethodNotAllowed",
    "Mistake",
    "NotAcceptable",
    "NotFound",
    "PreconditionFailed",
    "RangeNotSatisfiable",
    "RequestTimeout",
    "ServiceUnavailable",
    "TooManyRequests",
    "URITooLong",
    "Unauthorized",
    "UnsupportedMediaType",
    "abort",
]


class ErlenError(Exception):
    """The root of every exception that Erlen defines."""


class Mistake(Struct, frozen=True):
    """One thing the developer got wrong: what, where (`file:line`), and what to do about it."""

    message: str
    where: str = ""
    fix: str = ""

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"  at  {self.where}")
        if self.fix:
            lines.append(f"  fix {self.fix}")
        return "\n".join(lines)


class ConfigurationError(ErlenError):
    """The application cannot start; `mistakes` lists every reason at once."""

    def __init__(self, mistakes: Iterable[Mistake] | Mistake | str) -> None:
        if isinstance(mistakes, str):
            mistakes = Mistake(mistakes)
        if isinstance(mistakes, Mistake):
            mistakes = (mistakes,)
        self.mistakes: tuple[Mistake, ...] = tuple(mistakes)
        count = len(self.mistakes)
        head = "" if count == 1 else f"{count} mistakes in this application:\n\n"
        super().__init__(head + "\n\n".join(str(mistake) for mistake in self.mistakes))


def raise_all(mistakes: Iterable[Mistake]) -> None:
    """Raise a `ConfigurationError` of all mistakes, if there are any."""
    found = tuple(mistakes)
    if found:
        raise ConfigurationError(found)


class Fault(Struct, frozen=True):
    """One thing wrong with a request's data.

    `location` starts with the part of the request (`"path"`, `"query"`, `"header"`, `"cookie"`, `"body"`, `"form"`) and goes on
    with names and list positions down to the value; `message` is a sentence for the person who sent it.
    """

    location: tuple[str | int, ...]
    message: str


class HTTPError(ErlenError):
    """An error with an HTTP status, answered as RFC 9457 problem details or as a page.

    Args:
        detail: what happened, for the client; the status phrase when empty.
        status: the status code (400-599), where the subclass does not fix one.
        headers: added to the response (RFC 9110 asks for some, such as `Allow` with 405).
        extra: further members of the problem document (RFC 9457, section 3.2).
    """

    status: int = 500
    default_detail: ClassVar[str] = ""

    def __init__(
        self,
        detail: str = "",
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        if status is not None:
            if not 400 <= status <= 599:
                raise ValueError(f"an HTTP error has a status from 400 to 599, not {status}")
            self.status = status
        self.detail = detail or self.default_detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(self.detail or self.title)

    @property
    def title(self) -> str:
        """The status phrase, such as `Not Found`."""
        return reason_phrase(self.status)


class BadRequest(HTTPError):
    """400: the request is malformed."""

    status = 400


class Unauthorized(HTTPError):
    """401: the client must authenticate. `challenge` becomes `WWW-Authenticate` (RFC 9110, section 11.6.1)."""

    status = 401

    def __init__(self, detail: str = "", *, challenge: str = "Bearer", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, headers={"www-authenticate": challenge, **(headers or {})})


class Forbidden(HTTPError):
    """403: understood and refused."""

    status = 403


class NotFound(HTTPError):
    """404: nothing is here."""

    status = 404
    default_detail = "There is nothing at this address."


class MethodNotAllowed(HTTPError):
    """405: the resource exists but not for this method. `allowed` becomes `Allow` (RFC 9110, section 15.5.6)."""

    status = 405

    def __init__(self, allowed: Iterable[str], detail: str = "") -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(detail, headers={"allow": ", ".join(self.allowed)})


class NotAcceptable(HTTPError):
    """406: no representation suits the client's `Accept`."""

    status = 406


class RequestTimeout(HTTPError):
    """408: the client was too slow to send its request."""

    status = 408
    default_detail = "The request body did not arrive in time."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"connection": "close"})


class Conflict(HTTPError):
    """409: the request conflicts with the resource's present state."""

    status = 409


class Gone(HTTPError):
    """410: it was here and will not come back."""

    status = 410


class PreconditionFailed(HTTPError):
    """412: a condition such as `If-Match` does not hold (RFC 9110, section 13)."""

    status = 412


class ContentTooLarge(HTTPError):
    """413: the body, or a part of it, is over a limit. The connection is closed, so the rest is not read."""

    status = 413

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"connection": "close"})


class URITooLong(HTTPError):
    """414: the target is over the limit."""

    status = 414


class UnsupportedMediaType(HTTPError):
    """415: the body's `Content-Type` is none that the handler reads."""

    status = 415


class RangeNotSatisfiable(HTTPError):
    """416: no requested range lies within the content (RFC 9110, section 15.5.17). `size` is the content's length in bytes."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The content has {size} bytes.", headers={"content-range": f"bytes */{size}"})


class InvalidRequest(HTTPError):
    """422: the request's data is well-formed but wrong; `faults` lists everything wrong with it, each with its place."""

    status = 422
    default_detail = "The request has invalid data."

    def __init__(self, faults: Iterable[Fault], detail: str = "") -> None:
        self.faults = tuple(faults)
        super().__init__(detail)


class TooManyRequests(HTTPError):
    """429: over a rate limit. `retry_after` is in seconds."""

    status = 429

    def __init__(self, detail: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(detail, headers=None if retry_after is None else {"retry-after": str(retry_after)})


class HeaderFieldsTooLarge(HTTPError):
    """431: too many header fields, or too large ones."""

    status = 431


class ServiceUnavailable(HTTPError):
    """503: try again later. `retry_after` is in seconds."""

    status = 503

    def __init__(self, detail: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(detail, headers=None if retry_after is None else {"retry-after": str(retry_after)})


def abort(status: int, detail: str = "", *, headers: Mapping[str, str] | None = None) -> NoReturn:
    """End the request with an HTTP error.

    Args:
        status: from 400 to 599.
        detail: what happened, for the client.
        headers: added to the response.

    Raises:
        HTTPError: always; `NotFound`, `Forbidden` and so on where the status has a class that needs nothing more.
        ValueError: if `status` is not an error status.
    """
    error_class = _SIMPLE.get(status)
    if error_class is not None:
        raise error_class(detail, headers=headers)
    raise HTTPError(detail, status=status, headers=headers)


def reason_phrase(status: int) -> str:
    """Return the reason phrase of a status code (RFC 9110), or `Error` for one that has none."""
    try:
        return HTTPStatus(status).phrase if status not in _RENAMED else _RENAMED[status]
    except ValueError:
        return "Error"


# RFC 9110 renamed these; the standard library follows only from Python 3.13 on.
_RENAMED = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
_SIMPLE: dict[int, type[HTTPError]] = {
    error.status: error
    for error in (BadRequest, Forbidden, NotFound, NotAcceptable, Conflict, Gone, PreconditionFailed, UnsupportedMediaType)
}
