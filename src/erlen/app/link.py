"""Links: URLs of routes by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from erlen.app.site import Site
from erlen.errors import ErlenError
from erlen.http.request import active_request, current_request
from erlen.http.response import RedirectResponse

__all__ = ["flash", "redirect", "url_for"]


def url_for(
    route: str | Callable[..., Any],
    /,
    *,
    query: Mapping[str, Any] | None = None,
    fragment: str | None = None,
    absolute: bool = False,
    scheme: str | None = None,
    **params: Any,
) -> str:
    """Return the URL of a route.

    Args:
        route: its name, `blueprint.name`, `.name` within the current blueprint, or the handler itself.
        query: parameters of the query string; lists repeat, None leaves out.
        fragment: what follows `#`.
        absolute: with scheme and host; routes with a host of their own always are.
        scheme: `https`, `http`; implies `absolute`.
        params: values for the path's parameters.

    Raises:
        ErlenError: outside a request; use `site.url_for` there.
        LookupError: for an unknown name, saying which are near.
        ValueError, TypeError: for missing, unknown or unfitting parameters.
    """
    request = active_request.get(None)
    site = None if request is None else request.context
    if request is None or not isinstance(site, Site):
        raise ErlenError("url_for needs a request; outside one, use `app.site.url_for(name, params)`")
    name = site.route_name(route) if not isinstance(route, str) else route
    if name.startswith("."):
        current = request.route.name if request.route is not None else ""
        name = (current.rpartition(".")[0] + name).lstrip(".")
    return site.url_for(name, params, request=request, query=query, fragment=fragment, absolute=absolute, scheme=scheme)


def redirect(location: str, status: int = 302) -> RedirectResponse:
    """Return a redirect (RFC 9110, section 15.4) to a URL or path. For a target that came from outside use `safe_redirect`.

    Raises:
        ValueError: if `status` is none of 301, 302, 303, 307 and 308, or the location has control characters.
    """
    return RedirectResponse(location, status)


def flash(message: str, category: str = "info") -> None:
    """Keep a message in the session, to be shown by the next page: `request.session.take_flashes()`."""
    current_request().session.flash(message, category)
