"""The ways between the event loop and the threads of a site."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from erlen.binding.dependency import colour_of
from erlen.binding.endpoint import Call
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.types import Colour

if TYPE_CHECKING:
    from erlen.app.site import Site

__all__ = ["Crossing"]


class Crossing:
    """The ways between the colours for the pipeline of one colour: the loop doors' or the WSGI door's."""

    def __init__(self, site: Site, colour: Colour) -> None:
        self.site = site
        self.colour: Colour = colour

    def to_thread(self, call: Call, request: Request) -> Awaitable[Response]:
        """Run thread-coloured code from the loop."""
        return self.site.pool.run(call, request)

    def call_in_thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Call a plain function from the loop."""
        return self.site.pool.call(partial(function, **kwargs) if kwargs else function, *args)

    def to_loop(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Wait in a thread for loop-coloured code: on the server's loop, or under WSGI on the one in the background."""
        return self.site.pool.wait(coroutine, self.site.background.loop if self.colour == "thread" else None)

    def coroutine_function(self, function: Callable[..., Any], colour: Colour) -> Callable[..., Awaitable[Any]]:
        """Return a function of either colour, made to be awaited by code of one colour."""
        waits = colour_of(function) == "loop"
        if colour == "loop":
            return function if waits else partial(self.call_in_thread, function)

        async def here(*args: Any) -> Any:
            return self.to_loop(function(*args)) if waits else function(*args)

        return here
