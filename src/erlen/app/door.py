"""Which door a site is served by, and why (DESIGN 3)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from erlen.app.site import RouteInfo, Site
from erlen.binding.dependency import colour_of
from erlen.binding.parameter import describe
from erlen.errors import Mistake, raise_all
from erlen.http.response import StreamResponse

__all__ = ["Door", "DoorChoice", "choose_door"]

Door: TypeAlias = Literal["rsgi", "asgi", "wsgi"]


class DoorChoice(Struct, frozen=True):
    """A door, and the reason in words."""

    door: Door
    reason: str


def choose_door(site: Site, wanted: Door | None = None) -> DoorChoice:
    """Choose the door for a site.

    Without a wish: RSGI, the fastest; ASGI where something streams, since on RSGI a slow reader's stream piles up in memory.

    Raises:
        ConfigurationError: if `wsgi` is wanted and something needs the event loop.
    """
    if wanted == "wsgi":
        raise_all(needs_loop(site))
    if wanted is not None:
        return DoorChoice(wanted, "as told")
    streaming = [route for route in site.routes if _streams(route)]
    if streaming:
        more = f" and {len(streaming) - 1} more" if len(streaming) > 1 else ""
        verb = "may stream" if streaming[0].is_mount else "streams"
        return DoorChoice("asgi", f"{streaming[0].name} {verb}{more}, and ASGI holds a stream back for a slow reader")
    return DoorChoice("rsgi", "the fastest, and nothing here streams")


def needs_loop(site: Site) -> list[Mistake]:
    """Return what of a site the WSGI door cannot serve, each with its place."""
    found = []
    for route in site.routes:
        if route.is_mount and route.colour == "loop":
            found.append((route.name, "is an ASGI application", route.where))
        elif not route.is_mount and colour_of(route.handler) == "loop":
            found.append((route.name, "is `async def`", route.where))
        elif route.streams:
            found.append((route.name, "streams, and would keep a thread", route.where))
    for function, where in site.around:
        if colour_of(function) == "loop" and not hasattr(function, "before"):
            found.append((describe(function), "is `async def`", where))
    fixes = {"is `async def`": "make it `def`, or serve on another door"}
    return [
        Mistake(f"the WSGI door cannot serve {name}: it {what}", where, fixes.get(what, "serve on another door"))
        for name, what, where in found
    ]


def _streams(route: RouteInfo) -> bool:
    returns = route.returns
    return route.streams is not None or route.is_mount or (isinstance(returns, type) and issubclass(returns, StreamResponse))
