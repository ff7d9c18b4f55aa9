"""Development warnings about what a handler returned."""

from __future__ import annotations

import re

from erlen.app.routes import Policy
from erlen.app.site import Site
from erlen.binding.parameter import location_of
from erlen.debug.tried import route_of
from erlen.http.request import Request
from erlen.http.response import Response

__all__ = ["HtmlAsText"]


class HtmlAsText(Policy):
    """Warns, once for each handler, of a `str` that looks like a page: it is sent as plain text, so that no hole is left by mistake."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def after(self, request: Request, response: Response) -> Response:
        """Look at a response; it is returned as it is."""
        # A TextResponse was asked for by name.
        if type(response) is Response and (response.content_type or "").startswith("text/plain") and _LOOKS_LIKE_HTML(_beginning(response)):
            self._warn(request)
        return response

    def _warn(self, request: Request) -> None:
        site = request.context
        route = route_of(request, site) if isinstance(site, Site) else None
        if route is None or route.name in self._told:
            return
        self._told.add(route.name)
        import logging

        logging.getLogger("erlen.debug").warning(
            "%s() at %s returned a str that looks like HTML, which is sent as plain text. "
            'Fix: `return render("page.html", …)`; or, if nothing in it comes from outside, `return Markup(…)` or `HTMLResponse(…)`',
            getattr(route.handler, "__name__", route.name),
            location_of(route.handler) or route.where,
        )


def _beginning(response: Response) -> str:
    body = response.body[:200]
    return body if isinstance(body, str) else body.decode("utf-8", "ignore")


_TAGS = "html|head|body|main|div|p|h[1-6]|ul|ol|table|form|a|b|i|span|section|article|script|style|br"
_LOOKS_LIKE_HTML = re.compile(rf"\s*+(?:<!doctype html|<!--|<(?:{_TAGS})\b[^<]*>)", re.IGNORECASE).match
