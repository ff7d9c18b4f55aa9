"""The routes of a site beside a path that none of them answers."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from msgspec import Struct

from erlen.app.site import RouteInfo, Site
from erlen.debug.frames import shown_path
from erlen.errors import MethodNotAllowed, NotFound
from erlen.http.request import Request

__all__ = ["OWN_PREFIX", "RouteRow", "route_of", "route_rows", "routes_for"]

OWN_PREFIX = "/__erlen__/"
"""Of the URLs that exist only in development."""
NEAR = 0.7
MOST = 200


class RouteRow(Struct, frozen=True):
    """A route as it is listed."""

    methods: str
    path: str
    handler: str
    where: str
    near: bool = False
    link: str = ""
    """Its URL, where it can be opened without parameters."""


def routes_for(error: BaseException, request: Request | None, site: Site | None) -> tuple[list[RouteRow], str]:
    """Return the routes to list with an error, and the heading above: all where none matched, those of the path for a wrong method."""
    if request is None or site is None:
        return [], ""
    if isinstance(error, MethodNotAllowed) and request.route is not None:
        path = request.route.path
        return [row for row in route_rows(site, request.path) if row.path == path], "Routes of this path"
    if isinstance(error, NotFound) and (request.route is None or not request.route.name):
        rows = sorted(route_rows(site, request.path), key=lambda row: not row.near)
        more = f", the first {MOST} of {len(rows)}" if len(rows) > MOST else ""
        return rows[:MOST], f"Routes tried{more}" if rows else ""
    return [], ""


def route_rows(site: Site, path: str = "") -> list[RouteRow]:
    """Return the user's routes, in the order of registration; with a path, those near to it are marked."""
    own = [route for route in site.routes if not route.path.startswith(OWN_PREFIX)]
    nearest = sorted(((_nearness(path, route.path), number) for number, route in enumerate(own[:1000])), reverse=True)[:3] if path else []
    near = {number for nearness, number in nearest if nearness >= NEAR}
    return [_row(site, route, near=number in near) for number, route in enumerate(own)]


def route_of(request: Request, site: Site) -> RouteInfo | None:
    """Return what the site knows of the route that a request matched."""
    matched = request.route
    if matched is None or not matched.name:
        return None
    fitting = [route for route in site.routes if (route.name, route.path) == (matched.name, matched.path)]
    return next((route for route in fitting if request.method in route.methods), fitting[0] if fitting else None)


def _row(site: Site, route: RouteInfo, *, near: bool) -> RouteRow:
    handler = getattr(route.handler, "__qualname__", type(route.handler).__name__).rpartition("<locals>.")[2]
    opens = "GET" in route.methods and "{" not in route.path and route.host is None
    link = site.settings.root_path.rstrip("/") + route.path if opens else ""
    path = f"{route.host}{route.path}" if route.host else route.path
    file, _, line = route.where.rpartition(":")
    return RouteRow(", ".join(route.methods), path, handler, f"{shown_path(file)}:{line}" if file else "", near, link)


def _nearness(path: str, template: str) -> float:
    """Return how alike a path and a template are, from 0 to 1; a parameter is like any segment."""
    asked, offered = _segments(path), _segments(template)
    if len(asked) != len(offered):
        return SequenceMatcher(None, path[:200].lower(), template[:200].lower()).ratio() * 0.9
    if not asked:
        return 1.0
    alike = [
        0.8 if "{" in there else SequenceMatcher(None, here.lower(), there.lower()).ratio()
        for here, there in zip(asked, offered, strict=True)
    ]
    return sum(alike) / len(alike) if min(alike) >= 0.5 else 0.0


def _segments(path: str) -> Sequence[str]:
    return [segment[:100] for segment in path.strip("/").split("/")[:20] if segment]
