"""What every template sees of the request, read only where a template uses it: a page without forms leaves the session alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

from erlen.app.link import url_for
from erlen.errors import ErlenError
from erlen.http.request import Request, active_request, current_request

__all__ = ["CurrentRequest", "FlashedMessage", "LateText", "request_globals"]


class CurrentRequest:
    """Stands for `request` among the globals: a context gives the request in its place, or None outside one."""

    def read(self) -> Request | None:
        """Return the request being handled."""
        return active_request.get(None)


class LateText:
    """Text that is made when it is written: Jinja looks names up before it knows whether they are needed."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def __str__(self) -> str:
        return self._make()

    def __html__(self) -> str:
        return escape(self._make())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return str(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<text that is made when it is written>"


class FlashedMessage(str):
    """A message of `flash`: the text, with its `category`."""

    __slots__ = ("category",)

    category: str


def request_globals(shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the globals that have to do with the request.

    Args:
        shared: what plugins share with the site: `static` has a method `url(name)`.
    """

    def static(name: str) -> str:
        """Return the URL of a static file."""
        files = shared.get("static")
        if files is None:
            raise ErlenError("this site has no static files: make a folder `static` beside the application, or `app.use(Static(…))`")
        return str(files.url(name))

    return {
        "request": CurrentRequest(),
        "csrf_token": LateText(lambda: current_request().csrf_token),
        "csp_nonce": LateText(lambda: current_request().csp_nonce),
        "csrf_input": csrf_input,
        "flashes": flashes,
        "static": static,
        "url_for": url_for,
    }


def csrf_input() -> Markup:
    """Return the hidden field with the CSRF token, for forms with `method="post"`."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(current_request().csrf_token)


def flashes(*, with_categories: bool = False, categories: Iterable[str] = ()) -> list[Any]:
    """Return the messages of `flash`, oldest first; in one request always the same, and then they are forgotten.

    Args:
        with_categories: return pairs `(category, message)`; a message alone has its `category` too.
        categories: only these.
    """
    request = current_request()
    taken: list[FlashedMessage] | None = getattr(request.state, "_flashes", None)
    if taken is None:
        taken = request.state._flashes = []
        for flash in request.session.take_flashes():
            message = FlashedMessage(flash.message)
            message.category = flash.category
            taken.append(message)
    wanted = frozenset(categories)
    chosen = [message for message in taken if not wanted or message.category in wanted]
    return [(message.category, message) for message in chosen] if with_categories else chosen
