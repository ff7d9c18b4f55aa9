"""Error pages from templates: `errors/404.html`, `errors/4xx.html`, `errors/500.html`, `errors/5xx.html`, `errors/error.html`."""

from __future__ import annotations

from erlen.errors import HTTPError, InvalidRequest, reason_phrase
from erlen.http.request import Request
from erlen.http.response import HTML, Response
from erlen.templates.engine import Engine

__all__ = ["ErrorPages"]


class ErrorPages:
    """Answers people with the application's own error pages, where it has some.

    A page sees `status`, `title` (such as `Not Found`), `detail` (for the client; empty for unexpected errors) and `faults` (of
    invalid data, each with `location` and `message`).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: dict[int, str | None] = {}

    def answer(self, request: Request, error: Exception, status: int) -> Response | None:
        """Return the page of an error; None where there is no template for it, and in debug mode for unexpected errors."""
        known = error if isinstance(error, HTTPError) else None
        name = self._template_for(status)
        if name is None or (known is None and self._engine.debug):
            return None
        page = self._engine.render(
            name,
            status=status,
            title=reason_phrase(status) if known is None else known.title,
            detail="" if known is None else known.detail,
            faults=known.faults if isinstance(known, InvalidRequest) else (),
        )
        return Response(page, status, None, HTML)

    def _template_for(self, status: int) -> str | None:
        if status not in self._found or self._engine.debug:
            names = (f"errors/{status}.html", f"errors/{status // 100}xx.html", "errors/error.html")
            self._found[status] = next((name for name in names if self._engine.folders.find(name)), None)
        return self._found[status]
