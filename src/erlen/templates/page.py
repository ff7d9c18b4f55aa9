"""What handlers call: a template and its values become a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from erlen.errors import ErlenError
from erlen.http.request import active_request

if TYPE_CHECKING:
    from erlen.http.response import StreamResponse
    from erlen.templates.engine import Engine

__all__ = ["Page", "render", "render_async", "render_string", "render_text", "render_untrusted", "stream_page"]


class Page(Markup):
    """HTML that a template made; a handler that returns it answers `text/html`.

    It is text that needs no escaping. What is added to it is escaped: `page + "<"` ends in `&lt;`.
    """

    __slots__ = ()


def render(name: str | Sequence[str], /, **context: Any) -> Page:
    """Render a template: `return render("home.html", books=BOOKS)`.

    In a template of an `async def` handler nothing is awaited; that is what `render_async` is for.

    Args:
        name: the path below the folder `templates`; `home.html#row` renders the block `row` alone, as a fragment; of several names
            the first that exists.
        context: the values that the template sees. They win over those of `@templates.context` functions, which win over globals.

    Raises:
        jinja2.TemplateNotFound: naming the folders searched and templates with a similar name.
        jinja2.TemplateError: for mistakes in the template; among them, in debug mode, a variable that was not given.
        ErlenError: outside a request, where `site.extensions["templates"].render` does the same; for a template of plain text, such
            as `mail.txt`, whose values are not escaped: `render_text` is for those.
    """
    return _engine().render(name, **context)


async def render_async(name: str | Sequence[str], /, **context: Any) -> Page:
    """`render` for templates that wait: functions and iterators in them may be asynchronous.

    `{{ fetch() }}` and `{% for row in rows() %}` await by themselves. Such templates are compiled once more, when first used so.
    """
    return await _engine().render_async(name, **context)


def render_text(name: str | Sequence[str], /, **context: Any) -> str:
    """Render a template to plain text, such as a mail or a CSV file; values in `.txt`, `.md` and `.csv` templates are not escaped."""
    return _engine().render_text(name, **context)


def render_string(source: str, /, **context: Any) -> Page:
    """Render a template given as text, with values escaped. It is compiled at each call.

    The source is code: never build it from what a visitor sent. `render_untrusted` is for those.
    """
    return _engine().render_string(source, **context)


def render_untrusted(source: str, /, **context: Any) -> Page:
    """Render a template that users wrote, in Jinja's sandbox: it sees the given values alone, no globals and no other templates.

    Give plain data: methods of objects can be called. The sandbox limits what a template can reach, not its time and memory, nor what
    it writes: values are escaped, but the source itself is HTML of its author, who may put scripts into it (CWE-79).

    Raises:
        jinja2.TemplateSyntaxError: for a mistake in the source.
        jinja2.exceptions.SecurityError: if it reaches for what is not its own.
    """
    return _engine().render_untrusted(source, **context)


def stream_page(name: str, /, **context: Any) -> StreamResponse:
    """Answer with a template that is sent while it renders, in pieces of about 4 kB; for long pages.

    In an `async def` handler functions and iterators in the template may be asynchronous. What belongs to the head of the response
    must be settled before it: change the session, and read `request.csrf_token` if a form in the page needs it, in the handler.
    """
    return _engine().stream(name, **context)


def _engine() -> Engine:
    request = active_request.get(None)
    if request is None:
        raise ErlenError('there is no request here: outside one, use `site.extensions["templates"].render(name, …)`')
    engine: Engine | None = getattr(request.context, "extensions", {}).get("templates")
    if engine is None:
        raise ErlenError("this site has no templates: make a folder `templates` beside the application, or `app.use(Templates(…))`")
    return engine
