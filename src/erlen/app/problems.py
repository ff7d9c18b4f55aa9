"""The one place that turns exceptions into responses: problem details (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from erlen.app.crossing import Crossing
from erlen.app.routes import Hooks
from erlen.binding.endpoint import OnError
from erlen.binding.result import to_response
from erlen.errors import Fault, HTTPError, InvalidRequest, reason_phrase
from erlen.http.request import Request
from erlen.http.response import HTML, TEXT, Response, encode_json
from erlen.types import Colour

if TYPE_CHECKING:
    from string import Template

    from erlen.app.site import Site

__all__ = ["Problems", "problem_document", "render_problem"]

PROBLEM_JSON = "application/problem+json"

Answer: TypeAlias = Callable[[Request, Any], Awaitable[Any]]
Handlers: TypeAlias = Sequence[Hooks]
"""Whose error handlers count, the nearest first."""


class Problems:
    """Answers errors: by the handlers of the application where there is one, else in the standard way."""

    def __init__(self, site: Site, crossing: Crossing, scopes: Handlers = ()) -> None:
        self.site = site
        self.crossing = crossing
        self.scopes = scopes

    def within(self, scopes: Handlers) -> Problems:
        """Return what answers the errors of routes with these scopes around them."""
        return Problems(self.site, self.crossing, scopes)

    def responder(self, colour: Colour) -> OnError:
        """Return the coroutine function that answers errors in code of one colour."""
        awaited = self.crossing.coroutine_function
        by_key = [{key: awaited(function, colour) for key, function in hooks.errors.items()} for hooks in self.scopes if hooks.errors]

        async def respond(request: Request, error: Exception) -> Response:
            status, unexpected = (error.status, False) if isinstance(error, HTTPError) else (500, True)
            handler = _find(by_key, error, status) if by_key else None
            if handler is not None:
                try:
                    response = to_response(await handler(request, error), status=status, name="an error handler")
                except Exception as second:  # noqa: BLE001 - an error handler that fails must not take the worker with it
                    second.__context__ = second.__context__ or error
                    request._unexpected = second
                    self.report(request, second)
                    return self.render(request, second)
                if unexpected and response.status >= 500:
                    self.report(request, error)
                return _with_headers(response, error) if isinstance(error, HTTPError) and response.status == status else response
            if unexpected:
                request._unexpected = error
            if unexpected or status >= 500:
                self.report(request, error)
            return self.render(request, error)

        return respond

    def render(self, request: Request, error: Exception) -> Response:
        """Answer an error in the standard way. Never raises."""
        try:
            try:
                return self._page(request, error) or render_problem(request, error, self.site.extensions.get("debug.explain"))
            except HTTPError as refusal:  # such as a header field over the limits: doors find out when it is read, and say so once
                return render_problem(request, refusal)
        except Exception as second:  # noqa: BLE001 - the last resort must always answer
            self.report(request, second)
            return Response(encode_json({"title": reason_phrase(500), "status": 500}), 500, None, PROBLEM_JSON)

    def _page(self, request: Request, error: Exception) -> Response | None:
        """Return the page for people that a battery has for an error."""
        if not (self.site.error_pages and request.accept.prefers_html):
            return None
        for page in self.site.error_pages:
            try:
                response = page(request, error, error.status if isinstance(error, HTTPError) else 500)
            except Exception as second:  # noqa: BLE001 - the next page may do better
                self.report(request, second)
            else:
                if response is not None:
                    response = _with_headers(response, error) if isinstance(error, HTTPError) else response
                    response.vary("Accept")
                    return response
        return None

    def report(self, request: Request, error: Exception) -> None:
        """Log an unexpected error with its traceback, and tell those who watch; an HTTPError is only logged, it was raised on purpose.

        What comes from the request is escaped (OWASP ASVS 5.0 V16.4.1).
        """
        import logging

        logging.getLogger("erlen").error(
            "%s %s failed: %s", ascii(request.method)[1:-1], ascii(request.path)[1:-1], type(error).__name__, exc_info=error
        )
        if not isinstance(error, HTTPError):
            for observe in self.site.failure_observers:
                observe(request, error)


def _find(scopes: list[dict[int | type[BaseException], Answer]], error: Exception, status: int) -> Answer | None:
    """Find the handler of an error. A status says more than `HTTPError`, or than `Exception` says of any error."""
    keys: list[int | type[BaseException]] = list(type(error).__mro__)
    keys.insert(keys.index(HTTPError) if isinstance(error, HTTPError) else len(keys), status)
    return next((handlers[key] for handlers in scopes for key in keys if key in handlers), None)


def _with_headers(response: Response, error: HTTPError) -> Response:
    """Add the fields that go with a status, such as `Allow` with 405, to an error handler's response that keeps the status."""
    missing = [(name, value) for name, value in error.headers.items() if value and name not in (response.own_headers or ())]
    if not missing:
        return response
    answer = copy.copy(response)  # the application may keep one response for all errors
    answer._headers = None if response.own_headers is None else response.own_headers.copy()
    for name, value in missing:
        answer.headers.add(name, value)
    return answer


def render_problem(request: Request, error: Exception, explain: Callable[..., dict[str, object]] | None = None) -> Response:
    """Return the standard answer to an error, as the client's `Accept` asks.

    Args:
        request: what is answered.
        error: any exception; one that is no `HTTPError` is answered with 500.
        explain: called with both for such a one, returns further members of the problem document; debug mode has it, which also
            has a text of its own for such a one.
    """
    known = error if isinstance(error, HTTPError) else HTTPError()
    headers = {name: value for name, value in known.headers.items() if value}
    explain = None if known is error else explain
    if request.accept.prefers_html:
        response = Response(_page(request, known), known.status, headers, HTML)
    elif explain is None and request.accept.media_type("application/json", PROBLEM_JSON, "text/plain") == "text/plain":
        response = Response(_text(known), known.status, headers, TEXT)
    else:
        document = problem_document(known) | (explain(request, error) if explain is not None else {})
        response = Response(encode_json(document), known.status, headers, PROBLEM_JSON)
    response.vary("Accept")
    return response


def problem_document(known: HTTPError) -> dict[str, object]:
    """Return the members of the problem document (RFC 9457, section 3.1)."""
    document: dict[str, object] = {"type": "about:blank", "title": known.title, "status": known.status}
    document |= {"detail": known.detail} if known.detail else {}
    if isinstance(known, InvalidRequest):
        document["errors"] = [fault_member(fault) for fault in known.faults]
    return document | known.extra | document  # its own members come first, and win


def fault_member(fault: Fault) -> dict[str, object]:
    """Return a fault as a member of `errors`: its place as a list, for a body also as a JSON Pointer (RFC 6901)."""
    member: dict[str, object] = {"location": list(fault.location), "detail": fault.message}
    if fault.location and fault.location[0] == "body":
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in fault.location[1:])
        member["pointer"] = "#" + "".join(f"/{step}" for step in steps)
    return member


def _text(known: HTTPError) -> str:
    more = [f"{name}: {value}" for name, value in [*_faults(known), *known.extra.items()]]
    return "\n".join([f"{known.status} {known.title}", *filter(None, [known.detail]), *more, ""])


def _faults(known: HTTPError) -> list[tuple[str, str]]:
    faults = known.faults if isinstance(known, InvalidRequest) else ()
    return [(".".join(map(str, fault.location[1:])) or str(fault.location[0]), fault.message) for fault in faults]


def _page(request: Request, known: HTTPError) -> str:
    from markupsafe import escape

    items = "".join(f"<li><b>{escape(place)}</b>: {escape(message)}</li>" for place, message in _faults(known))
    detail = known.detail or ("Something went wrong on our side. Please try again later." if known.status == 500 else "")
    body = f"<h1><span>{known.status}</span> {escape(known.title)}</h1>" + (f"\n<p>{escape(detail)}</p>" if detail else "")
    body += f"\n<ul>{items}</ul>" if items else ""
    return _page_template().substitute(title=f"{known.status} {escape(known.title)}", nonce=request.csp_nonce, body=body)


@cache
def _page_template() -> Template:
    from pathlib import Path
    from string import Template

    return Template(Path(__file__).with_name("error.html").read_text(encoding="utf-8"))
